"""Quality rules of the standard, sorted by whom they judge: a row, a key, or the whole table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from plimsoll.data import odcs
from plimsoll.data.contract import ENGINE, Column, Condition, Limit, Operator
from plimsoll.errors import InvalidDeclaration

Fault = Callable[..., InvalidDeclaration]
"""Makes the error that names the file."""

_OPERATORS: dict[str, Operator] = {
    "must_be": "=",
    "must_not_be": "<>",
    "must_be_greater_than": ">",
    "must_be_greater_or_equal_to": ">=",
    "must_be_less_than": "<",
    "must_be_less_or_equal_to": "<=",
    "must_be_between": "between",
    "must_not_be_between": "not between",
}


class Sorted(msgspec.Struct, frozen=True, kw_only=True):
    """What a list of quality rules comes to."""

    keys: tuple[tuple[str, ...], ...] = ()
    conditions: tuple[Condition, ...] = ()
    limits: tuple[Limit, ...] = ()
    unenforced: tuple[str, ...] = ()

    def __add__(self, other: Sorted) -> Sorted:
        return Sorted(**{name: getattr(self, name) + getattr(other, name) for name in self.__struct_fields__})


def of_column(column: Column, rules: tuple[odcs.Quality, ...], fault: Fault) -> tuple[Column, Sorted]:
    """``column`` with the rules that judge each of its values, and the others."""
    found = Sorted()
    for rule in rules:
        if _ignored(rule):
            found += Sorted(unenforced=(f"{column.name}: {_said(rule)}",))
        elif rule.type == "custom":
            found += Sorted(conditions=(_condition(rule, column.name, fault),))
        else:
            limit = _limit(rule, (column.name,), fault)
            if not _never(limit):
                found += Sorted(limits=(limit,))
            elif limit.metric == "duplicateValues":
                found += Sorted(keys=(limit.columns,))
            else:
                column = _stricter(column, limit)
    return column, found


def of_table(name: str, rules: tuple[odcs.Quality, ...], fault: Fault) -> Sorted:
    """The rules that stand at the schema object ``name``."""
    found = Sorted()
    for rule in rules:
        if _ignored(rule):
            found += Sorted(unenforced=(f"{name}: {_said(rule)}",))
        elif rule.type == "custom":
            found += Sorted(conditions=(_condition(rule, name, fault),))
        else:
            limit = _limit(rule, (rule.arguments or odcs.Arguments()).properties, fault)
            key = limit.metric == "duplicateValues" and _never(limit)
            found += Sorted(keys=(limit.columns,)) if key else Sorted(limits=(limit,))
    return found


def _ignored(rule: odcs.Quality) -> bool:
    """Whether ``rule`` is not ours to enforce: text, another engine's, or no more than a warning."""
    ours = rule.type == "library" or (rule.type == "custom" and rule.engine == ENGINE)
    return not ours or rule.severity in ("info", "warning")


def _said(rule: odcs.Quality) -> str:
    name = rule.name or rule.description or rule.metric or rule.query or str(rule.engine)
    return f"{rule.severity or rule.type} rule {name!r}"


def _never(limit: Limit) -> bool:
    """``mustBe: 0``: not one row may; so each row can be judged by itself."""
    return limit.operator == "=" and limit.bounds == (0.0,)


def _stricter(column: Column, limit: Limit) -> Column:
    if limit.metric == "nullValues":
        return msgspec.structs.replace(column, required=True)
    if limit.metric == "invalidValues":
        return msgspec.structs.replace(column, valid=(*column.valid, limit.arguments))
    values = limit.arguments.missing_values
    return msgspec.structs.replace(
        column,
        missing=(*column.missing, *(v for v in values if v is not None)),
        required=column.required or None in values,
    )


def _condition(rule: odcs.Quality, where: str, fault: Fault) -> Condition:
    if not isinstance(rule.implementation, str) or not rule.implementation.strip():
        raise fault(f"{where}: a rule of engine {ENGINE!r} needs an implementation: a condition in SQL")
    sql = rule.implementation.strip()
    return Condition(rule.name or sql, sql)


def _limit(rule: odcs.Quality, columns: tuple[str, ...], fault: Fault) -> Limit:
    where = f"the rule {rule.metric} of {', '.join(columns) or 'the table'}"
    if rule.metric is None:
        raise fault(f"a quality rule of {', '.join(columns) or 'the table'} has no metric")
    if (rule.metric == "rowCount") is bool(columns):
        raise fault(f"{where} stands in the wrong place", hint="rowCount judges the table, all others judge columns")
    operator, bounds = _operator(rule, where, fault)
    arguments = rule.arguments or odcs.Arguments()
    if rule.metric == "invalidValues" and not arguments.valid_values and arguments.pattern is None:
        raise fault(f"{where} needs arguments.validValues or arguments.pattern")
    if rule.metric == "missingValues" and not arguments.missing_values:
        raise fault(f"{where} needs arguments.missingValues")
    return Limit(
        metric=rule.metric,
        columns=columns,
        operator=operator,
        bounds=bounds,
        percent=rule.unit == "percent",
        arguments=arguments,
    )


def _operator(rule: odcs.Quality, where: str, fault: Fault) -> tuple[Operator, tuple[float, ...]]:
    given: dict[str, Any] = {name: getattr(rule, name) for name in _OPERATORS if getattr(rule, name) is not None}
    if len(given) != 1:
        raise fault(f"{where} needs exactly one operator, it has {len(given)}", hint="such as mustBe: 0")
    name, value = given.popitem()
    bounds = tuple(float(v) for v in value) if isinstance(value, tuple) else (float(value),)
    return _OPERATORS[name], bounds
