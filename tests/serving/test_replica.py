from __future__ import annotations

from typing import Any

import numpy as np

from plimsoll.kernel.records import FALLBACK
from plimsoll.serving import Fleet, needed

from .conftest import live, packed, rolling


def test_a_release_that_differs_from_its_golden_answers_is_not_ready(yard: Any) -> None:
    """A replica that cannot reproduce the answers that were judged must not give any; the others go on."""
    good, odd = yard.release(1.0), yard.release(-1.0, golden=packed(1.0).golden)
    refused = yard.fleet.ensure([good, odd])
    assert set(yard.fleet.loaded) == {FALLBACK, good.digest}
    assert "golden" in refused[odd.digest]
    assert yard.fleet.refused == refused


def test_what_is_no_longer_needed_is_unloaded(yard: Any) -> None:
    """Memory follows the deployment; what stays is not loaded again."""
    one, two = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([one, two])
    before = yard.fleet.loaded[two.digest]
    yard.fleet.ensure([two])
    assert set(yard.fleet.loaded) == {FALLBACK, two.digest}
    assert yard.fleet.loaded[two.digest] is before


def test_a_damaged_model_is_refused_with_its_name(yard: Any) -> None:
    """Bytes that are not what they were are never served."""
    row = yard.release()
    digest = row.manifest.artifacts["model"]
    (path,) = [p for p in yard.folder.rglob("*") if p.is_file() and digest[4:] in p.name]
    path.chmod(0o600)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    refused = yard.fleet.ensure([row])
    assert digest[:8] in refused[row.digest]


def test_a_drill_is_refused_in_production(yard: Any) -> None:
    """Faults on purpose are for rehearsals only."""
    row = yard.release(drill={"error_share": 0.5})
    assert "rehearsals only" in yard.fleet.ensure([row])[row.digest]


def test_a_misspelt_drill_is_refused(yard_of: Any) -> None:
    """The reason names the fault that is not one."""
    yard = yard_of(drills=True)
    row = yard.release(drill={"latency": 80.0})
    assert "no fault 'latency'" in yard.fleet.ensure([row])[row.digest]


def test_what_may_come_back_is_loaded() -> None:
    """A rollback lands on something that is loaded already."""
    deployment = live("now", predecessors=("before", "long-ago"), has_fallback=False)
    assert needed(deployment) == ("now", "before")
    assert needed(rolling("new", "old", share=0.25)) == ("new", "old")


def test_what_a_release_costs_is_measured_as_it_is_loaded(yard: Any) -> None:
    """A server measures; a rehearsal does not, and is told the careful answer. The scores are the same."""
    row = yard.release()
    measuring = Fleet(yard.capability, yard.objects, yard.online, measure=True)
    measuring.ensure([row])
    yard.fleet.ensure([row])
    measured, careful = measuring.loaded[row.digest], yard.fleet.loaded[row.digest]
    assert measured.warmth.sizes and measured.most_together == measured.warmth.most_together
    assert not careful.warmth.sizes and not careful.inline
    rows = np.zeros((3, 2), np.float32)
    assert (measured.predict(rows) == careful.predict(rows)).all()


def test_rows_behind_a_network_are_no_work_for_the_event_loop(yard_of: Any) -> None:
    """A release that looks rows up in a far store answers in a thread, however quick its engine is."""
    from plimsoll.features import FeatureSchema, OnlineJoin
    from plimsoll.features.schema import Binding
    from plimsoll.store import MemoryOnline

    class Far(MemoryOnline):
        far = True

    binding = Binding(view="v", digest="d" * 64, feed="f", entity="parcel", values=("x",), names=("x",))
    looked_up = FeatureSchema(inputs=FeatureSchema.of(yard_of().capability.features).inputs, views=(binding,))
    assert OnlineJoin(looked_up, Far()).far
    assert not OnlineJoin(looked_up, MemoryOnline()).far
    assert not OnlineJoin(FeatureSchema(inputs=looked_up.inputs), Far()).far
