"""Declaring views, and the digest of their code."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.features import View, source_digest, view

from .oracle import line_delays, weather_at_port

CODE = """
from plimsoll.features import view

HOURS = 3

def shifted(t):
    return t.known_at + HOURS

def unused(t):
    return 1

@view(source="s", entity="e", values=["x"])
def v(t):
    return (lambda r: r.select("x", "entity", known_at=shifted(r)))(t)
"""


def module_of(folder: Path, code: str) -> ModuleType:
    path = folder / f"code_{abs(hash(code))}.py"
    path.write_text(code)
    spec = importlib.util.spec_from_file_location("code", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_view_takes_its_function_s_name() -> None:
    """Its features are named by the view, so that two views may have a value in common."""
    assert weather_at_port.feature_names == (
        "weather_at_port_temp",
        "weather_at_port_wind",
        "weather_at_port_age_h",
    )
    assert line_delays.name == "line_delays" and not line_delays.age


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("HOURS = 3", "HOURS = 4"),
        ("t.known_at + HOURS", "t.known_at - HOURS"),
        ('values=["x"]', 'values=["x", "y"]'),
        ('"entity", known_at', '"entity", "y", known_at'),
        ('entity="e"', 'entity="f"'),
    ],
)
def test_whatever_the_view_says_is_in_its_digest(tmp_path: Path, old: str, new: str) -> None:
    """Helpers and constants too: a cache that missed them would serve yesterday's features."""
    assert module_of(tmp_path, CODE).v.digest != module_of(tmp_path, CODE.replace(old, new)).v.digest


def test_what_the_view_does_not_say_is_not(tmp_path: Path) -> None:
    """Another function in the file, or the file's place, changes nothing."""
    (elsewhere := tmp_path / "elsewhere").mkdir()
    moved = module_of(elsewhere, CODE.replace("return 1", "return 2"))
    assert module_of(tmp_path, CODE).v.digest == moved.v.digest


def test_closed_over_values_are_in_the_digest() -> None:
    """Two views from one factory have one text, and differ."""

    def made(hours: int) -> View:
        @view(source="s", entity="e", values=["x"])
        def v(t: Any) -> Any:
            return t.select("x", "entity", known_at=t.at + hours)

        return v

    assert made(1).digest == made(1).digest != made(2).digest


def test_code_without_text_cannot_be_pinned() -> None:
    names: dict[str, Any] = {}
    exec("def f(t): return t", names)
    with pytest.raises(UsageError, match="source text"):
        source_digest(names["f"])
    with pytest.raises(UsageError, match="plain function"):
        source_digest(len)


@pytest.mark.parametrize(
    "declared",
    [
        {"values": []},
        {"values": ["x", "x"]},
        {"values": "temp"},
        {"values": ["known_at"]},
        {"values": ["x"], "name": "a b"},
    ],
)
def test_impossible_views_are_refused(declared: dict[str, Any]) -> None:
    with pytest.raises(InvalidDeclaration):
        view(source="s", entity="e", **declared)(lambda t: t)
