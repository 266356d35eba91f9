"""Between UTC and a place's wall clock, in the engine, clock changes included.

Plain times are UTC; the session's time zone never matters. The four SQL functions are DuckDB's; all of what ties the
windows to one engine is in this file.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ibis.expr.types import TimestampValue  # type: ignore[import-untyped]


def utc(at: TimestampValue) -> TimestampValue:
    """The time as plain UTC in microseconds, whether it came with a zone or without."""
    micros = _sql("epoch_us", "timestamp", gives="int64")(at)
    return _sql("make_timestamp", "int64", gives="timestamp")(micros).cast("timestamp(6)")


def local_time(at: TimestampValue, timezone: str) -> TimestampValue:
    """The wall-clock time in ``timezone`` (an IANA name) of a UTC time."""
    micros = _sql("epoch_us", "timestamp", gives="int64")(at)
    instant = _sql("make_timestamptz", "int64", gives="timestamp('UTC')")(micros)
    return _sql("timezone", "string", "timestamp('UTC')", gives="timestamp")(timezone, instant)


def utc_time(local: TimestampValue, timezone: str) -> TimestampValue:
    """The UTC time of a wall-clock time; one that a clock change skips is the first moment after the gap."""
    return utc(_sql("timezone", "string", "timestamp", gives="timestamp('UTC')")(timezone, local))


def _sql(name: str, *takes: str, gives: str) -> Any:
    """The engine's function ``name``, typed for Ibis."""
    import ibis  # type: ignore[import-untyped]

    names = [f"x{i}" for i in range(len(takes))]
    function = _signed(name, names)
    types = tuple(ibis.dtype(kind) for kind in takes)
    return ibis.udf.scalar.builtin(function, name=name, signature=(types, ibis.dtype(gives)))


def _signed(name: str, names: list[str]) -> Any:
    import inspect

    def function(*_: Any) -> None: ...

    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    function.__name__ = name
    function.__signature__ = inspect.Signature([inspect.Parameter(n, kind) for n in names])  # type: ignore[attr-defined]
    return function
