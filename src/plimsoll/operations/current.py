"""The timelines of what is known now: over the newest snapshot of a feed and what was pushed since."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from plimsoll.data import Snapshots
from plimsoll.errors import Unavailable
from plimsoll.features import Binding, Timeline, View, grown, keeps_reach
from plimsoll.kernel.ports import Catalog, FeedState, Objects
from plimsoll.operations.bench import Timelines
from plimsoll.operations.feeding import files_of
from plimsoll.operations.folding import FOLDED

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Current:
    """A view's timeline over all rows of its feed up to the push ``seq``.

    ``snapshots``: the versions, by digest, that with what was pushed up to ``seq`` are these very rows: folding moves
    rows from one to the other.
    """

    timeline: Timeline
    snapshots: frozenset[str]
    snapshot: str
    seq: int

    def stands_at(self, snapshot: str, seq: int) -> bool:
        return seq == self.seq and snapshot in self.snapshots


class CurrentTimelines:
    """By view and feed. What was pushed is compiled in beside what is there; a new snapshot, from its beginning."""

    def __init__(self, views: Sequence[View], catalog: Catalog, objects: Objects, folder: Path) -> None:
        self._views, self._catalog, self._folder = views, catalog, folder
        self._snapshots = Snapshots(objects, catalog)
        self._whole = Timelines()
        self._held: dict[tuple[str, str], Current] = {}
        self._overreach: set[str] = set()  # digests of views that do not keep their declared reach

    def held(self, binding: Binding) -> Current | None:
        """As it was brought last."""
        return self._held.get((binding.digest, binding.feed))

    def newest(self, binding: Binding) -> Current:
        """As of now. Raises Unavailable where nobody has brought a row of the feed."""
        state = self._catalog.feeds.state(binding.feed)
        if state.snapshot is None and not state.batches:
            raise Unavailable(
                f"the view {binding.view!r} reads {binding.feed!r}, of which there is no snapshot here",
                hint="plimsoll release takes one in",
            )
        held, names = self.held(binding), _names(state)
        if held is not None and held.seq == state.seq and held.snapshots & names:
            found = Current(held.timeline, held.snapshots | names, _name(state), state.seq)
        elif held is not None and _continues(held, state):
            found = Current(self._grown(binding, held, state), held.snapshots | names, _name(state), state.seq)
        else:
            found = Current(self._compiled(binding, state), names, _name(state), state.seq)
        self._held[binding.digest, binding.feed] = found
        return found

    def _grown(self, binding: Binding, held: Current, state: FeedState) -> Timeline:
        view = self._whole.view(binding, self._views)
        if view.reach is None or view.digest in self._overreach:
            return self._compiled(binding, state)
        files = files_of(state, self._snapshots, self._folder)
        added = sum(batch.seq > held.seq for batch in state.batches)
        return grown(view, held.timeline, files, files[len(files) - added :])

    def _compiled(self, binding: Binding, state: FeedState) -> Timeline:
        view = self._whole.view(binding, self._views)
        files = files_of(state, self._snapshots, self._folder)
        timeline = self._whole.of(view, binding.feed, files)
        if view.reach is not None and view.digest not in self._overreach and not keeps_reach(view, timeline, files):
            self._overreach.add(view.digest)
            _log.warning(
                "the view %s rests on rows outside its declared reach (%s, %s back): every push compiles it whole",
                view.name,
                view.reach.column,
                view.reach.back,
            )
        return timeline


def _name(state: FeedState) -> str:
    return state.snapshot.digest if state.snapshot else ""


def _names(state: FeedState) -> frozenset[str]:
    """The state's snapshot, and the one that it was folded from: with the same pushes they are the same rows."""
    folded = state.snapshot.note.get(FOLDED) if state.snapshot else None
    return frozenset({_name(state), folded["from"]} if folded else {_name(state)})


def _continues(held: Current, state: FeedState) -> bool:
    """Whether ``state`` is ``held`` and what was pushed after it, all of which is still at hand."""
    if held.seq > state.seq:
        return False
    if _name(state) in held.snapshots:
        return True
    folded = state.snapshot.note.get(FOLDED) if state.snapshot else None
    return folded is not None and folded["from"] in held.snapshots and folded["seq"] <= held.seq
