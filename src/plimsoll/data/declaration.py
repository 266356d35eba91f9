"""From the standard's document to our contract: every name resolved, every contradiction found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, get_args

import msgspec

from plimsoll.data import document, odcs, quality
from plimsoll.data.contract import ASKED_AT, Column, Contract, Freshness, KnownAt, Recorded, Reference
from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.kernel.digest import digest_bytes

_UNITS = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), timedelta(seconds=1)),
    **dict.fromkeys(("min", "minute", "minutes"), timedelta(minutes=1)),
    **dict.fromkeys(("h", "hr", "hour", "hours"), timedelta(hours=1)),
    **dict.fromkeys(("d", "day", "days"), timedelta(days=1)),
}
_FRESHNESS = ("latency", "ly", "freshness")
"""The standard prefers ``latency`` to ``freshness``; its names are case-insensitive."""


def declared(path: Path) -> Contract:
    """The contract in the file at ``path``. Raises InvalidDeclaration."""
    return _Declaration(path).contract()


_PRIVATE = frozenset({"confidential", "restricted", "personal", "pii"})
"""Classifications that an event keeps as a hash, unless the column says otherwise. The standard leaves the words open:
these are the ones in use."""

_VALUES: dict[str, tuple[Any, Callable[[str], object] | None]] = {
    "string": (str, None),
    "integer": (int, None),
    "number": (int | float, None),
    "boolean": (bool, None),
    "date": (str, date.fromisoformat),
    "timestamp": (str, datetime.fromisoformat),
    "time": (str, time.fromisoformat),
}
"""How a value of each type is written in YAML, and what must read it."""


class _Declaration:
    """One file being read; every complaint names it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.document = document.read(path, odcs.Document)
        if len(self.document.tables) != 1:
            raise self.fault(f"one schema object is wanted, here are {len(self.document.tables)}: one file per table")
        self.table = self.document.tables[0]
        self.properties = {p.name: p for p in self.table.properties}
        if not self.properties:
            raise self.fault(f"the schema object {self.table.name!r} has no properties")
        if len(self.properties) < len(self.table.properties):
            names = [p.name for p in self.table.properties]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise self.fault(f"columns declared twice: {', '.join(twice)}")

    def fault(self, message: str, *, hint: str = "") -> InvalidDeclaration:
        return InvalidDeclaration(f"{self.path}: {message}", hint=hint)

    def contract(self) -> Contract:
        columns, rules = self._columns()
        rules += quality.of_table(self.table.name, self.table.quality, self.fault)
        for key in rules.keys:
            for name in key:
                self._known(name, "a quality rule")
        freshness, unenforced = self._service_levels()
        return Contract(
            name=self.table.name,
            version=self.document.version,
            columns=columns,
            tolerance=self._tolerance(),
            keys=tuple(dict.fromkeys((*self._declared_keys(), *rules.keys))),
            references=tuple(self._references()),
            conditions=rules.conditions,
            limits=rules.limits,
            freshness=freshness,
            unenforced=(*rules.unenforced, *unenforced),
            digest=digest_bytes(self.path.read_bytes()),
            path=str(self.path),
        )

    def _known(self, name: str, where: str) -> str:
        """``name``, if it is a declared column."""
        if name not in self.properties:
            hint = nearest(name, self.properties)
            raise self.fault(f"{where} names the column {name!r}, which is not declared", hint=hint)
        return name

    def _declared_keys(self) -> Iterator[tuple[str, ...]]:
        parts = sorted((p for p in self.properties.values() if p.primary_key), key=lambda p: p.primary_key_position)
        if parts:
            yield tuple(p.name for p in parts)
        yield from ((p.name,) for p in self.properties.values() if p.unique)

    def _columns(self) -> tuple[tuple[Column, ...], quality.Sorted]:
        columns, rules = [], quality.Sorted()
        for prop in self.properties.values():
            column, others = quality.of_column(self._column(prop), prop.quality, self.fault)
            for value in (*column.enum, *column.missing, *(v for a in column.valid for v in a.valid_values)):
                self._check_value(column.name, column.type, value)
            columns.append(column)
            rules += others
            if prop.logical_type_options.format is not None:
                rules += quality.Sorted(unenforced=(f"{prop.name}: format {prop.logical_type_options.format!r}",))
        return tuple(columns), rules

    def _column(self, prop: odcs.Property) -> Column:
        self._check_options(prop.name, prop.logical_type, prop.logical_type_options)
        return Column(
            name=prop.name,
            type=prop.logical_type,
            required=prop.required or prop.primary_key,
            options=prop.logical_type_options,
            enum=tuple(item.value for item in prop.enum),
            known_at=self._known_at(prop),
            recorded=self._recorded(prop),
        )

    def _check_options(self, name: str, kind: str, options: odcs.TypeOptions) -> None:
        textual = (options.min_length, options.max_length, options.pattern)
        if kind != "string" and any(option is not None for option in textual):
            raise self.fault(f"{name}: minLength, maxLength and pattern are for strings, this is a {kind}")
        for bound in (options.minimum, options.maximum, options.exclusive_minimum, options.exclusive_maximum):
            if bound is not None and kind in ("string", "boolean"):
                raise self.fault(f"{name}: a {kind} has neither minimum nor maximum")
            if bound is not None:
                self._check_value(name, kind, bound)
        if options.multiple_of is not None and (kind not in ("integer", "number") or options.multiple_of <= 0):
            raise self.fault(f"{name}: multipleOf wants a number above 0 and a numeric column")

    def _check_value(self, name: str, kind: str, value: Any) -> None:
        """A declared value must be one that the column could have."""
        wanted, parse = _VALUES[kind]
        wrong = not isinstance(value, wanted) or (isinstance(value, bool) and kind != "boolean")
        if not wrong and parse is not None:
            try:
                parse(value)
            except ValueError:
                wrong = True
        if wrong:
            raise self.fault(
                f"{name}: the declared value {value!r} is no {kind}", hint="quote text; times are ISO 8601"
            )

    def _recorded(self, prop: odcs.Property) -> Recorded:
        """The column's own ``recorded``, else what its classification implies."""
        for custom in prop.custom_properties:
            if custom.property == "recorded":
                for legal in get_args(Recorded):
                    if custom.value == legal:
                        return legal  # type: ignore[no-any-return]
                raise self.fault(
                    f"{prop.name}: recorded cannot be {custom.value!r}", hint=f"write {', '.join(get_args(Recorded))}"
                )
        return "hash" if (prop.classification or "").lower() in _PRIVATE else "plain"

    def _known_at(self, prop: odcs.Property) -> KnownAt | None:
        """The column's own ``knownAt``, else the schema object's."""
        for custom in (*prop.custom_properties, *self.table.custom_properties):
            if custom.property == "knownAt":
                return self._parse_known_at(prop.name, custom.value)
        return None

    def _parse_known_at(self, name: str, value: Any) -> KnownAt:
        if value == "published":
            return KnownAt()
        form = {"column": value} if isinstance(value, str) else value
        if not isinstance(form, dict) or not isinstance(form.get("column"), str) or set(form) - {"column", "offset"}:
            hint = "write published, asked_at, a column's name, or {column: …, offset: PT2H}"
            raise self.fault(f"{name}: knownAt cannot be {value!r}", hint=hint)
        source = form["column"]
        if source != ASKED_AT:
            kind = self.properties[self._known(source, f"knownAt of {name!r}")].logical_type
            if kind != "timestamp":
                raise self.fault(f"{name}: knownAt names {source!r}, which is a {kind}, not a timestamp")
        return KnownAt(source, self._offset(name, form.get("offset", "PT0S")))

    def _offset(self, name: str, value: Any) -> timedelta:
        try:
            return msgspec.convert(value, timedelta)
        except msgspec.ValidationError:
            message = f"{name}: the offset {value!r} is not an ISO 8601 duration"
            raise self.fault(message, hint="such as PT5M or -PT2H") from None

    def _tolerance(self) -> float:
        for custom in self.table.custom_properties:
            if custom.property != "tolerance":
                continue
            value = custom.value
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise self.fault(f"tolerance is {value!r}", hint="it is a share of rows in [0, 1], such as 0.001")
            return float(value)
        return 0.0

    def _references(self) -> Iterator[Reference]:
        for prop in self.properties.values():
            for relation in prop.relationships:
                if relation.from_ is not None:
                    raise self.fault(f"{prop.name}: a property's relationship has no 'from': it is the property itself")
                yield self._reference((f"{self.table.name}.{prop.name}",), _listed(relation.to))
        for relation in self.table.relationships:
            if relation.from_ is None:
                raise self.fault("a relationship of the schema object needs 'from'")
            yield self._reference(_listed(relation.from_), _listed(relation.to))

    def _reference(self, sources: tuple[str, ...], targets: tuple[str, ...]) -> Reference:
        own, other = [self._split(s) for s in sources], [self._split(t) for t in targets]
        if not own or len(own) != len(other):
            raise self.fault(f"a relationship leads from {len(own)} columns to {len(other)}: the numbers must be equal")
        if {table for table, _ in own} != {self.table.name}:
            raise self.fault(f"a relationship starts at {sources[0]!r}", hint=f"it must start at {self.table.name}")
        if len({table for table, _ in other}) != 1:
            raise self.fault(f"a relationship leads to more than one table: {', '.join(targets)}")
        return Reference(
            columns=tuple(self._known(name, "a relationship") for _, name in own),
            table=other[0][0],
            to=tuple(name for _, name in other),
        )

    def _split(self, reference: str) -> tuple[str, str]:
        """(table, column) of ``table.column`` or of ``schema/table/properties/column``."""
        parts = reference.split("/")
        if len(parts) == 4 and (parts[0], parts[2]) == ("schema", "properties"):
            return parts[1], parts[3]
        names = reference.split(".")
        if len(names) != 2 or not all(names) or len(parts) > 1:
            raise self.fault(f"the reference {reference!r} cannot be read", hint="write table.column")
        return names[0], names[1]

    def _service_levels(self) -> tuple[tuple[Freshness, ...], tuple[str, ...]]:
        """The promises of freshness, and the names of the promises that nobody checks here."""
        fresh, unenforced = [], []
        for promise in self.document.sla_properties:
            unit = _UNITS.get((promise.unit or "").lower())
            number = isinstance(promise.value, int | float) and not isinstance(promise.value, bool)
            if promise.property.lower() in _FRESHNESS and promise.element and unit and number:
                column = self._known(promise.element.rpartition(".")[2], f"the promise of {promise.property}")
                fresh.append(Freshness(column, promise.value * unit))
            else:
                unenforced.append(f"service level {promise.property!r}")
        return tuple(fresh), tuple(unenforced)


def _listed(value: str | tuple[str, ...]) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else value
