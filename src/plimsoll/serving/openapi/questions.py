"""A capability's question as JSON Schema: its form, column by column."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from plimsoll.serving.form import Entry, Form, Kind

_INT64 = {"minimum": -(2**63), "maximum": 2**63 - 1}
_TYPES: Mapping[Kind, dict[str, Any]] = {
    "text": {"type": "string"},
    "number": {"type": "number", "minimum": -sys.float_info.max, "maximum": sys.float_info.max},
    "integer": {"type": "integer", **_INT64},
    "boolean": {"type": "boolean"},
    "time": {"type": "string", "format": "date-time"},
}


def question(form: Form) -> dict[str, Any]:
    """Its columns as properties; no other ones, and none of those that are needed left out."""
    return {
        "type": "object",
        "properties": {e.name: _column(e, named=e.name == form.unit) for e in form.entries.values()},
        "required": list(form.needed),
        "additionalProperties": False,
    }


def _column(entry: Entry, *, named: bool) -> dict[str, Any]:
    """Null is a missing value, but somebody must be asking."""
    schema = _TYPES[entry.kind]
    return dict(schema) if named else schema | {"type": [schema["type"], "null"]}
