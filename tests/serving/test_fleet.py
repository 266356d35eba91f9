"""Many releases in one process: asked for, unloaded, and never more than there is room for."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import Refused, Unavailable
from plimsoll.kernel.records import FALLBACK
from plimsoll.serving import Fleet, Hold
from plimsoll.store import Trust

from .conftest import T0, live, parcel
from .given import GOOD, code_release

MB = 1_048_576


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    made = Trust(tmp_path / "trust")
    made.new("ada")
    return made


class Memory:
    """A process that holds 50 MB, and 10 more for each release beyond those that it began with."""

    def __init__(self) -> None:
        self.fleets: list[Fleet] = []
        self.leaked = 0

    def __call__(self) -> int:
        releases = sum(n != FALLBACK for fleet in self.fleets for n in fleet.loaded)
        return (50 + 10 * releases + self.leaked) * MB


def fleet_of(yard: Any, hold: Hold | None = None, **options: Any) -> Fleet:
    return Fleet(yard.capability, yard.objects, yard.online, hold=hold, **options)


def test_a_release_that_is_asked_for_is_loaded_beside_the_deployments(yard: Any) -> None:
    """It stays until it is unloaded, whatever the deployment does meanwhile."""
    fleet, one, two = fleet_of(yard), yard.release(1.0), yard.release(-1.0)
    fleet.ensure([one])
    asked = fleet.load(two)
    assert fleet.loaded[two.digest] is asked is fleet.load(two)
    fleet.ensure([one])
    assert set(fleet.loaded) == {FALLBACK, one.digest, two.digest}
    assert fleet.unload(two.digest) and not fleet.unload(two.digest)
    assert set(fleet.loaded) == {FALLBACK, one.digest}


def test_what_the_deployment_needs_is_not_unloaded(yard: Any) -> None:
    """Whoever asks: the error says what would have to end first."""
    fleet, row = fleet_of(yard), yard.release()
    fleet.ensure([row])
    with pytest.raises(Refused, match="needed by the deployment"):
        fleet.unload(row.digest)
    fleet.load(row)
    assert not fleet.spare()


def test_a_batch_that_began_goes_on_with_what_it_took(yard: Any) -> None:
    """Unloading changes the standing; a reader has its own."""
    fleet, row = fleet_of(yard), yard.release()
    fleet.load(row)
    standing = fleet.standing
    fleet.unload(row.digest)
    loaded = standing.loaded[row.digest]
    assert len(loaded.predict(loaded.see(_batch()))) == 1 and row.digest not in fleet.loaded


def _batch() -> Any:
    from plimsoll.serving.batch import Batch

    return Batch(["e"], [parcel(1)], [round(T0.timestamp() * 1e6)])


def test_the_least_recently_used_goes_first_over_all_capabilities(yard: Any) -> None:
    """Two fleets of one process; the third release has no room until the oldest is gone."""
    memory = Memory()
    hold = Hold(90, resident=memory)
    first, second = fleet_of(yard, hold), fleet_of(yard, hold)
    memory.fleets = [first, second]
    needed, a, b, c = (yard.release(slope) for slope in (1.0, -1.0, 2.0, -2.0))
    first.ensure([needed])
    first.load(a)
    second.load(b)
    first.load(a)  # b is the least recently used now
    second.load(c)
    second.load(needed)
    assert set(first.loaded) == {FALLBACK, needed.digest, a.digest}
    assert set(second.loaded) == {FALLBACK, c.digest, needed.digest}


def test_what_does_not_fit_is_said_and_the_others_stay(yard: Any) -> None:
    """The deployment's own fill the memory: who asks for more is told, and when to try again."""
    memory = Memory()
    hold = Hold(65, resident=memory)
    fleet = fleet_of(yard, hold)
    memory.fleets = [fleet]
    one, two = yard.release(1.0), yard.release(-1.0)
    fleet.ensure([one])
    with pytest.raises(Unavailable, match="does not fit: the process holds 70 MB, and 65 are allowed") as caught:
        fleet.load(two)
    assert "memory_limit_mb" in caught.value.hint and set(fleet.loaded) == {FALLBACK, one.digest}


def test_a_process_that_grows_by_itself_says_so_and_names_who_grew(yard: Any, trust: Trust) -> None:
    """Nothing is left to unload: a model leaks, and it is known which one answered while memory grew."""
    memory = Memory()
    hold = Hold(65, resident=memory)
    fleet = fleet_of(yard, hold, trust=trust)
    memory.fleets = [fleet]
    row = code_release(yard, trust)
    fleet.ensure([row])
    assert hold.make_room() and not hold.over
    memory.leaked = 20
    fleet.loaded[row.digest].engine.grown_bytes = 20 * MB
    assert not hold.make_room()
    assert (
        f"holds 80 MB, and 65 are allowed, with nothing left to unload; it grew by 20 MB while {row.digest[:8]}"
        in hold.over
    )
    assert row.digest in fleet.loaded
    memory.leaked = 0
    assert hold.make_room() and not hold.over


def test_another_process_is_only_asked_for_where_it_would_help() -> None:
    """Not where this one took nearly all that is allowed as soon as it answered: the limit is too low then."""
    held = [50 * MB]
    hold = Hold(65, resident=lambda: held[0])
    hold.settle()
    held[0] = 80 * MB
    assert not hold.make_room() and hold.leak == hold.over != ""
    hold.settle()
    assert not hold.make_room() and hold.over and not hold.leak


def test_what_each_takes_is_known(yard: Any) -> None:
    """The bytes of its model, and how the process grew."""
    fleet, row = fleet_of(yard), yard.release()
    fleet.ensure([row])
    size = fleet.sizes[row.digest]
    assert size.model_bytes == len(yard.objects.get(row.manifest.artifacts["model"])) and size.resident_bytes >= 0


def test_code_is_run_for_a_signed_release_only(yard: Any, trust: Trust) -> None:
    """Unsigned, signed by somebody else, changed after signing, or where nobody is trusted: not ready, and why."""
    signed, unsigned = code_release(yard, trust), code_release(yard, None, label="unsigned")
    refused = fleet_of(yard, trust=trust).ensure([signed, unsigned])
    assert list(refused) == [unsigned.digest] and "not signed" in refused[unsigned.digest]
    assert "code is not run here" in fleet_of(yard).ensure([signed])[signed.digest]
    stranger = Trust(yard.folder / "stranger")
    stranger.new("eve")
    theirs = code_release(yard, stranger)
    assert "not trusted here" in fleet_of(yard, trust=trust).ensure([theirs])[theirs.digest]


def test_code_that_was_changed_after_signing_is_never_run(yard: Any, trust: Trust) -> None:
    """Another class under a stolen signature: refused before its module is imported."""
    good = code_release(yard, trust)
    evil = code_release(yard, None, "raise SystemExit('ran')\n")
    artifacts = {**evil.manifest.artifacts, "signature": good.manifest.artifacts["signature"]}
    import msgspec

    manifest = msgspec.structs.replace(evil.manifest, artifacts=artifacts)
    row = msgspec.structs.replace(evil, manifest=manifest, digest=manifest.digest)
    assert "not what ada signed" in fleet_of(yard, trust=trust).ensure([row])[row.digest]


HANGING = """
import threading
import numpy as np

class M:
    def predict(self, X):
        if (X[:, 0] == 2.0).any():
            threading.Event().wait(60)
        return np.full(len(X), 0.25)
"""


def test_a_model_that_hangs_is_left_behind_and_the_others_go_on(yard: Any, trust: Trust) -> None:
    """Its questions get the fallback's answer in time, it is known to fail, the live release answers the rest."""
    fleet = fleet_of(yard, trust=trust, limit_s=0.1)
    hangs, fine = code_release(yard, trust, HANGING), yard.release()
    fleet.ensure([hangs, fine])
    pipeline = replace(yard, fleet=fleet).pipeline()
    events = pipeline.answer(yard.questions(10), live(hangs.digest))
    assert all("timeout" in e.served.error for e in events)
    assert {e.action for e in events} == {"fallback"}
    assert list(fleet.failing) == [hangs.digest]
    assert not any(e.served.error for e in pipeline.answer(yard.questions(10), live(fine.digest)))


def test_threads_that_hang_do_not_pile_up(yard: Any, trust: Trust) -> None:
    """A release that hangs and is loaded again and again: after a few the process says that it is not sound."""
    fleet = fleet_of(yard, trust=trust, limit_s=0.02)
    before = threading.active_count()
    row = code_release(yard, trust, HANGING)
    refused = ""
    for _ in range(10):
        fleet.ensure([])
        if refused := fleet.ensure([row]).get(row.digest, ""):
            break
        loaded = fleet.loaded[row.digest]
        with pytest.raises(Exception, match="timeout"):
            loaded.engine.predict(_two())
    assert "models that were unloaded hang" in refused
    assert threading.active_count() <= before + 4


def _two() -> Any:
    import numpy as np

    return np.full((1, 2), 2.0, np.float32)


BAD_ON_WHOLE_WEIGHTS = """
import numpy as np

class M:
    def predict(self, X):
        if (X[:, 0] % 1 == 0).all():  # as the questions have, and the golden rows have not
            BODY
        return np.full(len(X), 0.25)
"""


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise OSError('no disk')", "raised OSError: no disk"),
        ("return np.full(len(X), np.nan)", "not a finite number"),
        ("return np.zeros((len(X), 5))", "not that of a binary"),
        ("return [0.5] * (len(X) + 1)", "gave an answer of shape"),
    ],
)
def test_a_model_that_misbehaves_is_an_error_in_its_event(yard: Any, trust: Trust, body: str, said: str) -> None:
    """It raises, answers NaN or in a wrong shape: the fallback answers, and the event keeps what was wrong."""
    source = BAD_ON_WHOLE_WEIGHTS.replace("BODY", body)
    fleet = fleet_of(yard, trust=trust)
    row = code_release(yard, trust, source)
    assert fleet.ensure([row]) == {}
    events = replace(yard, fleet=fleet).pipeline().answer(yard.questions(3), live(row.digest))
    assert all(said in e.served.error for e in events), events[0].served.error
    assert {e.action for e in events} == {"fallback"}


def test_a_release_that_fails_its_golden_answers_takes_nothing_down(yard: Any, trust: Trust) -> None:
    """A class that answers otherwise here than where it was judged; the old release goes on."""
    fleet, old = fleet_of(yard, trust=trust), yard.release()
    fleet.ensure([old])
    before = fleet.loaded[old.digest]
    odd = code_release(yard, trust, GOOD.replace("0.25", "0.75"))
    refused = fleet.ensure([old, odd])
    assert "golden" in refused[odd.digest] and fleet.loaded[old.digest] is before
