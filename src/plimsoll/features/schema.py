"""The feature schema: which features a model takes, in which order, from where. Part of the release's manifest.

It pins what could silently differ between training and serving: the order, the levels of each category, the code of
each view (by digest) and the feed whose rows the view reads.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np

from plimsoll.errors import InvalidDeclaration, UsageError, nearest
from plimsoll.features.columns import Column, Columns, Floats, column_of
from plimsoll.features.request import UNKNOWN, AnyRequestFeature, Category, Inputs
from plimsoll.features.timeline import Timeline
from plimsoll.features.view import Stale, View
from plimsoll.kernel import digest as kernel


class Binding(msgspec.Struct, frozen=True, kw_only=True):
    """A view as a release uses it: its declaration, the digest of its code, and the feed that it reads.

    ``fresh_within_us`` is 0 where the view has no bound.
    """

    view: str
    digest: str
    feed: str
    entity: str
    values: tuple[str, ...]
    names: tuple[str, ...]
    age: bool = False
    fresh_within_us: int = 0
    stale: Stale = "answer"

    @property
    def missing_after_us(self) -> int:
        """The age from which a row is as good as none; 0: it never is."""
        return self.fresh_within_us if self.stale == "missing" else 0

    @property
    def online(self) -> str:
        """The name of its rows in the online store. Another feed or other code is another name, so two releases
        whose views differ are served side by side, and two whose views are equal share the rows."""
        return f"{self.view}@{self.feed}:{self.digest[:12]}"


class FeatureSchema(msgspec.Struct, frozen=True, kw_only=True):
    """The question's own features first, then each view's, in the order of the declaration."""

    inputs: tuple[AnyRequestFeature, ...] = ()
    views: tuple[Binding, ...] = ()

    @staticmethod
    def of(features: Sequence[View | Inputs], *, bindings: Mapping[str, str] | None = None) -> FeatureSchema:
        """The schema of declared features; ``bindings`` maps a view's name to the feed it reads instead of its own.

        Categories without given levels get them from ``fit``.
        """
        bound = dict(bindings or {})
        views = [f for f in features if isinstance(f, View)]
        for name in bound:
            if name not in {v.name for v in views}:
                raise InvalidDeclaration(
                    f"bindings name the view {name!r}", hint=nearest(name, [v.name for v in views])
                )
        schema = FeatureSchema(
            inputs=tuple(r for f in features if isinstance(f, Inputs) for r in f.features),
            views=tuple(_binding(v, bound.get(v.name, v.feed or v.source)) for v in views),
        )
        if repeated := sorted({n for n in schema.names if schema.names.count(n) > 1}):
            raise InvalidDeclaration(f"two features are named {', '.join(repeated)}", hint="rename one of them")
        return schema

    @property
    def names(self) -> tuple[str, ...]:
        """The columns of the matrix, in order."""
        return (*(f.name for f in self.inputs), *(n for b in self.views for n in b.names))

    @property
    def categories(self) -> tuple[str, ...]:
        """The features that are codes, not amounts."""
        return tuple(f.name for f in self.inputs if isinstance(f, Category))

    @property
    def levels(self) -> dict[str, tuple[str, ...]]:
        """The texts behind the codes of each category that is fitted."""
        return {f.name: f.levels for f in self.inputs if isinstance(f, Category) and f.levels is not None}

    @property
    def columns(self) -> tuple[str, ...]:
        """The question's columns that are read: what must be known when it is asked, and sent with a request."""
        read = [c for f in self.inputs for c in f.columns] + [b.entity for b in self.views]
        return tuple(dict.fromkeys(read))

    def nulls(self, columns: Collection[str]) -> dict[int, float]:
        """The features that are made from ``columns`` (place in the row → what they are where those are null)."""
        made = [(f.column in columns, float(UNKNOWN) if isinstance(f, Category) else np.nan) for f in self.inputs]
        made += [(binding.entity in columns, np.nan) for binding in self.views for _ in binding.names]
        return {place: null for place, (concerned, null) in enumerate(made) if concerned}

    @property
    def digest(self) -> str:
        return kernel.digest(self.to_plain())

    def fit(self, columns: Columns) -> FeatureSchema:
        """With the levels of every category fixed by these, the training questions."""
        return msgspec.structs.replace(self, inputs=Inputs(*self.inputs).fit(columns).features)

    def compute(self, columns: Columns, asked_at: Column, timelines: Mapping[str, Timeline]) -> Floats:
        """Offline: the float32 matrix (questions × names). ``timelines`` by the view's name.

        Raises UsageError where a timeline is missing or is another view's.
        """
        parts = [Inputs(*self.inputs).compute(columns)] if self.inputs else []
        for binding in self.views:
            timeline = _timeline_of(binding, timelines)
            entities = column_of(columns, binding.entity)
            parts.append(timeline.as_of(entities, asked_at, missing_after_us=binding.missing_after_us))
        return np.concatenate(parts, axis=1) if parts else np.empty((len(asked_at), 0), dtype=np.float32)

    def to_plain(self) -> dict[str, Any]:
        """As JSON's own types, for the manifest's settings."""
        plain: dict[str, Any] = msgspec.to_builtins(self)
        for binding in plain["views"]:  # a view without a bound reads, and is named, as before there were any
            if not binding["fresh_within_us"]:
                del binding["fresh_within_us"], binding["stale"]
        return plain

    @staticmethod
    def from_plain(plain: Mapping[str, Any]) -> FeatureSchema:
        return msgspec.convert(plain, FeatureSchema)

    def to_json(self) -> bytes:
        return kernel.canonical(self.to_plain())

    @staticmethod
    def from_json(data: bytes) -> FeatureSchema:
        return msgspec.json.decode(data, type=FeatureSchema)


def _binding(view: View, feed: str) -> Binding:
    return Binding(
        view=view.name,
        digest=view.digest,
        feed=feed,
        entity=view.entity,
        values=view.values,
        names=view.feature_names,
        age=view.age,
        fresh_within_us=(view.fresh_within or timedelta(0)) // timedelta(microseconds=1),
        stale=view.stale,
    )


def _timeline_of(binding: Binding, timelines: Mapping[str, Timeline]) -> Timeline:
    timeline = timelines.get(binding.view)
    if timeline is None:
        raise UsageError(f"the timeline of the view {binding.view!r} is missing", hint=nearest(binding.view, timelines))
    if (timeline.names, timeline.age) != (binding.values, binding.age):
        raise UsageError(
            f"the timeline of {binding.view!r} has {', '.join(timeline.names)}; the schema wants "
            f"{', '.join(binding.values)}",
            hint="compile the view again",
        )
    return timeline
