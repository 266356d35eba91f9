"""What an event keeps of a question: everything, or what its contract lets be written down, of a share of the units.

Redaction and sampling come last, on the record's way to the log: routing, features, answers and whoever answers beside
have the question as it was asked. A redacted value is replaced by a keyed hash of its text (HMAC-SHA-256, RFC 2104,
its first 128 bits), so that equal values are still equal, or it is dropped. Features made from a redacted column are
recorded as what a null gives, because a feature may be the value itself. That is its price: such features are not
watched for skew. Scores, actions, latencies and costs are always kept, and no record is ever left out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol

import msgspec

from plimsoll.capability import Capability
from plimsoll.data import Contract
from plimsoll.errors import UsageError
from plimsoll.features import FeatureSchema, text_of
from plimsoll.kernel.records import Answer, Beside, Event
from plimsoll.serving.route import position

Seal = Callable[[str], str]
"""Text to its keyed hash in hex."""

_HASH_DIGITS = 32
_FLOAT = struct.Struct("<f")
_MOST_SCHEMAS = 64
_MASKED = "…"


class Seen(Protocol):
    """A loaded release, as far as its recorded features are concerned."""

    @property
    def schema(self) -> FeatureSchema: ...

    @property
    def schema_key(self) -> str: ...


class Recording:
    """The recorded form of events and of what was said beside them. Without redaction and sampling it is the identity.

    ``payload_share``: of the units whose inputs and features are kept; the same units always, on every replica. Of the
    others only the columns stay that the loop slices by. Raises UsageError if a column is to be hashed and there is no
    ``seal``.
    """

    def __init__(
        self, capability: Capability, contract: Contract | None, *, seal: Seal | None = None, payload_share: float = 1.0
    ) -> None:
        self._redacted = contract.redacted if contract else {}
        self._seal = seal or _no_seal(capability, self._redacted)
        self._share = payload_share
        self._salt = f"payload\0{capability.name}"
        self._hides_unit = (capability.source.sticky or capability.source.unit) in self._redacted
        self._sliced = frozenset(capability.sliced)
        self._nulls: dict[str, tuple[tuple[int, bytes], ...]] = {}

    @property
    def whole(self) -> bool:
        """Whether records are kept as they are."""
        return not self._redacted and self._share >= 1.0

    def event(self, event: Event, loaded: Mapping[str, Seen]) -> Event:
        """``event`` as it may be written down."""
        if self.whole:
            return event
        kept = self._kept(event.unit)
        return msgspec.structs.replace(
            event,
            unit=self._sealed(event.unit) if self._hides_unit else event.unit,
            inputs=self._inputs(event.inputs, kept),
            served=self._answer(event.served, event, loaded, kept),
            payload=kept,
        )

    def beside(self, record: Beside, event: Event, loaded: Mapping[str, Seen]) -> Beside:
        """What was said beside ``event`` as it may be written down."""
        if self.whole:
            return record
        kept = self._kept(event.unit)
        answers = tuple(self._answer(answer, event, loaded, kept) for answer in record.answers)
        return msgspec.structs.replace(record, answers=answers)

    def _kept(self, unit: str) -> bool:
        return self._share >= 1.0 or position(self._salt, unit) < self._share

    def _sealed(self, text: str) -> str:
        return self._seal(text)[:_HASH_DIGITS]

    def _inputs(self, inputs: Mapping[str, Any], kept: bool) -> dict[str, Any]:
        found = {}
        for name, value in inputs.items():
            how = self._redacted.get(name, "plain")
            if how == "drop" or not (kept or name in self._sliced):
                continue
            text = text_of(value) if how == "hash" else None
            found[name] = value if how == "plain" else None if text is None else self._sealed(text)
        return found

    def _answer(self, answer: Answer, event: Event, loaded: Mapping[str, Seen], kept: bool) -> Answer:
        features = self._features(answer, loaded.get(answer.release)) if kept else b""
        error = self._error(answer.error, event.inputs) if answer.error and self._redacted else answer.error
        if features == answer.features and error == answer.error:
            return answer
        return msgspec.structs.replace(answer, features=features, error=error)

    def _features(self, answer: Answer, release: Seen | None) -> bytes:
        if not answer.features or not self._redacted:
            return answer.features
        if release is None:  # it was unloaded meanwhile: which of its features tell something is not known any more
            return b""
        nulls = self._nulls_of(release)
        if not nulls:
            return answer.features
        row = bytearray(answer.features)
        for offset, null in nulls:
            row[offset : offset + _FLOAT.size] = null
        return bytes(row)

    def _nulls_of(self, release: Seen) -> Sequence[tuple[int, bytes]]:
        found = self._nulls.get(release.schema_key)
        if found is None:
            if len(self._nulls) >= _MOST_SCHEMAS:
                self._nulls.clear()
            places = release.schema.nulls(self._redacted)
            found = tuple((place * _FLOAT.size, _FLOAT.pack(null)) for place, null in places.items())
            self._nulls[release.schema_key] = found
        return found

    def _error(self, error: str, inputs: Mapping[str, Any]) -> str:
        """An error without what it may quote: nothing behind its first colon, and no redacted value before it."""
        kind = error.partition(":")[0]
        values = {form for name in self._redacted if inputs.get(name) is not None for form in _forms(inputs[name])}
        for value in sorted(values, key=len, reverse=True):
            kind = kind.replace(value, _MASKED)
        return kind


def _no_seal(capability: Capability, redacted: Mapping[str, str]) -> Seal:
    hashed = sorted(name for name, how in redacted.items() if how == "hash")
    if hashed:
        raise UsageError(f"{capability.name}: {', '.join(hashed)} are recorded as a keyed hash, and no key is given")
    return str


def _forms(value: Any) -> set[str]:
    """How an error may write a value."""
    return {str(value), repr(value), text_of(value) or ""} - {""}
