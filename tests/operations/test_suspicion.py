"""Evidence is refused where a feature knows too much or the gate's rows were trained on, and nothing is trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from plimsoll import trusted
from plimsoll.capability import Capability
from plimsoll.errors import InvalidDeclaration
from plimsoll.features import Inputs, number
from plimsoll.operations import ship

from .widened import widened


@pytest.fixture
def leaking(orders_folder: Path, tmp_path: Path) -> Capability:
    """The outcome under another name, dated as if it were known when the question is asked."""
    leaking = widened(
        orders_folder, tmp_path / "leaking", "flag", "number", lambda rows: [row["returned"] for row in rows]
    )
    return leaking.variant(features=[*leaking.features, Inputs(number("flag"))])


def test_a_feature_that_is_the_outcome_makes_the_run_invalid(place: Any, leaking: Capability) -> None:
    """Named, with what it reaches alone and how to say that it is honest; then it is measured like any other."""
    found = ship(leaking, place.yard, with_report=False)
    (reason,) = found.verdict.reasons
    assert found.verdict.ruling == "invalid" and "the feature flag alone reaches an AUC of 1.000" in reason
    assert "model" not in place.catalog.release("orders", found.release).manifest.artifacts
    honest = leaking.variant(suite=[trusted("flag", because="the bureau says so beforehand")])
    assert ship(honest, place.yard, with_report=False).verdict.ruling != "invalid"


def test_trust_has_a_reason() -> None:
    with pytest.raises(InvalidDeclaration, match="say because"):
        trusted("flag", because=" ")
