"""A feature view: one definition, from a source's rows to what was known about an entity, and since when.

The function under ``@view`` takes an Ibis table of the source's rows and returns an Ibis table with the columns
``entity``, ``known_at`` and the declared values: one row for every moment at which something about an entity
changes. Offline and online are two ways of reading that one timeline, so they cannot differ by definition.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Literal, get_args

from plimsoll.errors import InvalidDeclaration, nearest
from plimsoll.features.source import source_digest
from plimsoll.kernel.digest import digest

Stale = Literal["answer", "missing", "fallback"]
"""What happens to a question about an entity whose row is older than the view's bound."""

if TYPE_CHECKING:
    Build = Callable[[Any], Any]  # Ibis tables; Ibis is imported only where a view is compiled


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a source's row matters: what is known at a moment rests on the rows whose ``column`` (a time in UTC) lies
    at it, or up to ``back`` before it. With it a few pushed rows cost what the rows around them cost, not what all do.

    It is held against the whole timeline whenever that is compiled; a view that does not keep it is compiled whole.
    """

    column: str
    back: timedelta = timedelta(0)

    @property
    def back_us(self) -> int:
        return self.back // timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Features of one entity from one source.

    ``entity`` is the question's column that says whose features are meant. ``feed`` names the table that delivers
    the rows (default: ``source``); a capability may bind another. ``age`` adds ``<name>_age_h``: hours from
    ``known_at`` to the question. An entity without a row, and a null value, are NaN.

    ``fresh_within``: a row that is older than this when it is asked for is *stale*; ``stale`` says what happens then:
    ``"answer"`` uses it, and counts; ``"missing"`` takes it for no row, offline as online; ``"fallback"`` lets the
    capability's fallback answer. Both belong to the release, not to the rows: they are in its schema.

    ``reach``: which of the source's rows a moment rests on, for rows that are pushed one by one.
    """

    name: str
    source: str
    entity: str
    values: tuple[str, ...]
    build: Build = field(repr=False, compare=False)
    age: bool = False
    feed: str | None = None
    fresh_within: timedelta | None = None
    stale: Stale = "answer"
    reach: Reach | None = None

    def __post_init__(self) -> None:
        if not self.name.isidentifier():
            raise InvalidDeclaration(f"view {self.name!r}: the name must be a Python identifier")
        if not self.values or len(set(self.values)) < len(self.values):
            raise InvalidDeclaration(f"view {self.name!r}: values must be named, once each; they are {self.values}")
        if reserved := {"entity", "known_at"} & set(self.values):
            raise InvalidDeclaration(f"view {self.name!r}: {', '.join(sorted(reserved))} cannot name a value")
        if self.fresh_within is not None and self.fresh_within <= timedelta(0):
            raise InvalidDeclaration(
                f"view {self.name!r}: fresh_within={self.fresh_within} is no age; it must be above 0"
            )
        if self.stale not in get_args(Stale):
            raise InvalidDeclaration(
                f"view {self.name!r}: stale={self.stale!r}", hint=nearest(self.stale, get_args(Stale))
            )
        if self.stale != "answer" and self.fresh_within is None:
            raise InvalidDeclaration(
                f"view {self.name!r}: stale={self.stale!r} without a bound", hint="give fresh_within=timedelta(…)"
            )

    @property
    def feature_names(self) -> tuple[str, ...]:
        """The model's names for what this view gives: ``<view>_<value>``, then ``<view>_age_h`` where asked for."""
        names = tuple(f"{self.name}_{value}" for value in self.values)
        return (*names, f"{self.name}_age_h") if self.age else names

    @property
    def digest(self) -> str:
        """SHA-256 of the declaration and the source text of its code, its own helper functions included."""
        declared = [self.name, self.source, self.entity, self.values, self.age]
        return digest([declared, source_digest(self.build)])


def view(
    *,
    source: str,
    entity: str,
    values: Sequence[str],
    age: bool = False,
    feed: str | None = None,
    name: str = "",
    fresh_within: timedelta | None = None,
    stale: Stale = "answer",
    reach: Reach | None = None,
) -> Callable[[Build], View]:
    """Make a View of the decorated function; it takes the function's name unless ``name`` is given.

    ::

        @view(source="weather", entity="origin", values=["temp", "wind_speed"], age=True)
        def weather_at_origin(t):
            return t.select("temp", "wind_speed", entity=t.origin, known_at=t.published_at)
    """
    if isinstance(values, str):
        raise InvalidDeclaration(f"view(values={values!r}): give a list of names", hint=f"values=[{values!r}]")

    def declare(build: Build) -> View:
        return View(
            name=name or build.__name__,
            source=source,
            entity=entity,
            values=tuple(values),
            build=build,
            age=age,
            feed=feed,
            fresh_within=fresh_within,
            stale=stale,
            reach=reach,
        )

    return declare
