"""YAML text as a tree of plain values that know their lines.

Built on the parser's events, so that nesting is bounded here and not by a crash in a C library. The scalars are those
of YAML 1.2's core schema (section 10.3.2), not of 1.1: ``NO`` is a country and ``12:30`` a time, not a boolean and a
number in base 60; dates stay text. Aliases, tags and a key that stands twice are refused: a declaration is small
enough to be read from top to bottom, and must not say two things.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

MAX_DEPTH = 24
"""Deeper nesting is no declaration of ours."""

_NULL = ("", "~", "null", "Null", "NULL")
_BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_INT = re.compile(r"[-+]?[0-9]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_MAX_DIGITS = 40


class NotYaml(ValueError):
    """The text is no YAML that we take: why, and in which line (from 1; 0 if unknown)."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.line = line


class Node(NamedTuple):
    """A value and the line it begins in: a scalar, a list of nodes, or a dict of (line of the key, node) by key."""

    line: int
    value: bool | int | float | str | list[Node] | dict[str, tuple[int, Node]] | None

    @property
    def plain(self) -> Any:
        """The value as JSON's own types."""
        if isinstance(self.value, list):
            return [item.plain for item in self.value]
        if isinstance(self.value, dict):
            return {key: item.plain for key, (_, item) in self.value.items()}
        return self.value


def parse(text: str) -> Node:
    """The one document in ``text``. Raises NotYaml."""
    import yaml

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the C parser is ten times as fast, where there is one
    try:
        return _document(yaml.parse(text, Loader=loader))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(str(error.problem or error.context), mark.line + 1 if mark else 0) from error
    except yaml.YAMLError as error:
        raise NotYaml(str(error), 0) from error


def _document(events: Iterator[Any]) -> Node:
    found: list[Node] = []
    for event in events:
        name = type(event).__name__
        if name == "DocumentStartEvent":
            if found:
                raise NotYaml("a second document begins here; one is wanted", event.start_mark.line + 1)
            found.append(_node(next(events), events, 0))
    if not found:
        raise NotYaml("the file is empty", 0)
    return found[0]


def _node(event: Any, events: Iterator[Any], depth: int) -> Node:
    """The node that begins with ``event``; takes the rest of it from ``events``."""
    name, line = type(event).__name__, event.start_mark.line + 1
    if name == "AliasEvent":
        raise NotYaml(f"aliases (*{event.anchor}) are not supported: repeat the lines", line)
    if depth > MAX_DEPTH:
        raise NotYaml(f"nested more than {MAX_DEPTH} deep", line)
    if event.tag not in (None, "!"):
        raise NotYaml(f"the tag {event.tag!r} is not supported", line)
    if name == "ScalarEvent":
        return Node(line, _scalar(event.value) if event.implicit[0] else event.value)
    if name == "SequenceStartEvent":
        return Node(line, list(_items(events, depth)))
    return Node(line, _mapping(events, depth))


def _items(events: Iterator[Any], depth: int) -> Iterator[Node]:
    for event in events:
        if type(event).__name__ == "SequenceEndEvent":
            return
        yield _node(event, events, depth + 1)


def _mapping(events: Iterator[Any], depth: int) -> dict[str, tuple[int, Node]]:
    found: dict[str, tuple[int, Node]] = {}
    for event in events:
        kind, line = type(event).__name__, event.start_mark.line + 1
        if kind == "MappingEndEvent":
            break
        if kind != "ScalarEvent":
            raise NotYaml("a key must be a word", line)
        if event.value in found:
            raise NotYaml(f"{event.value!r} stands here twice (first in line {found[event.value][0]})", line)
        found[event.value] = (line, _node(next(events), events, depth + 1))
    return found


def _scalar(text: str) -> bool | int | float | str | None:
    """A plain (unquoted) scalar as the core schema reads it."""
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text) and len(text) <= _MAX_DIGITS:
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
