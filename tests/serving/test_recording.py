"""What is written down: redacted columns in no byte of the log, sampled payloads, and everything that is judged."""

from __future__ import annotations

import hmac
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll.capability import load
from plimsoll.data import Column, Contract, Recorded
from plimsoll.errors import InvalidDeclaration, UsageError
from plimsoll.kernel.records import Beside, Event
from plimsoll.kernel.requirement import at_most, no_worse
from plimsoll.operations.warehouse import recompute
from plimsoll.serving import position
from plimsoll.serving.recording import Recording

from .conftest import live, rolling


def seal(text: str) -> str:
    return hmac.digest(b"a key of the test", text.encode(), "sha256").hex()


def contract(**recorded: Recorded) -> Contract:
    columns = tuple(Column(name=name, type="string", recorded=how) for name, how in recorded.items())
    return Contract(name="parcels", version="1", columns=columns)


def recorded(yard: Any, declared: Contract | None, count: int = 20, **options: Any) -> list[Event]:
    """The events of so many questions as they are in the log."""
    row = yard.release()
    yard.fleet.ensure([row])
    recording = Recording(yard.capability, declared, seal=seal, **options)
    yard.pipeline(recording=recording).answer(yard.questions(count), live(row.digest))
    return [record for record in yard.log.read()[0] if isinstance(record, Event)]


def test_a_hashed_column_is_equal_where_it_was_equal(yard: Any) -> None:
    """And is nowhere in the bytes on the disk, before or after compaction."""
    events = recorded(yard, contract(depot="hash"))
    assert {e.inputs["depot"] for e in events} == {seal("north")[:32], seal("south")[:32]}
    yard.log.close()
    assert not found_on_disk(yard.folder / "events", b"north")
    yard.log.compact()
    assert not found_on_disk(yard.folder / "events", b"north")


def test_a_dropped_column_is_not_recorded(yard: Any) -> None:
    """Neither as itself nor as anything made from it."""
    assert all(set(e.inputs) == {"parcel", "weight", "asked"} for e in recorded(yard, contract(depot="drop")))


def test_a_feature_of_a_redacted_column_is_recorded_as_of_a_null(yard: Any) -> None:
    """It may be the value itself; the model saw the real one."""
    events = recorded(yard, contract(weight="hash"))
    rows = np.array([np.frombuffer(e.served.features, "<f4") for e in events])
    assert np.isnan(rows[:, 0]).all() and set(rows[:, 1]) == {0.0, 1.0}
    assert len({e.served.score for e in events}) > 2


@pytest.mark.parametrize("name", ["weight", "depot"])
@pytest.mark.parametrize("how", ["hash", "drop"])
def test_what_was_redacted_is_no_skew(yard: Any, name: str, how: Recorded) -> None:
    """The offline recomputation from the recorded inputs gives the recorded features, bit for bit."""
    events = recorded(yard, contract(**{name: how}))

    loaded = yard.fleet.loaded[events[0].served.release]
    offline = recompute(loaded.schema, {}, [e.inputs for e in events], [e.at for e in events], redacted={name})
    online = np.array([np.frombuffer(e.served.features, "<f4") for e in events])
    assert offline.tobytes() == online.tobytes()


def test_a_hashed_unit_is_still_the_same_unit(yard: Any) -> None:
    """Counted once as before; its place in the rollout was found from the real one."""
    events = recorded(yard, contract(parcel="hash"))
    assert [e.unit for e in events] == [e.inputs["parcel"] for e in events]
    assert len({e.unit for e in events}) == 20 and not found_on_disk(yard.folder / "events", b"p19")


def test_an_error_does_not_quote_what_is_redacted(yard_of: Any) -> None:
    """An engine that complains about a value is recorded as having complained."""

    def picky(columns: Any) -> Any:
        raise ValueError(f"cannot weigh {columns['depot'][0]} for {columns['weight'][0]}")

    yard = yard_of(fallback=picky)
    recording = Recording(yard.capability, contract(depot="drop"), seal=seal)
    event = yard.pipeline(recording=recording).answer(yard.questions(1), live("fallback"))[0]
    kept = yard.log.read()[0][0]
    assert isinstance(kept, Event) and kept.served.error.endswith("picky raised ValueError")
    assert event.served.error.endswith("cannot weigh north for -2.0")


def test_a_payload_is_kept_for_a_share_of_the_units(yard: Any) -> None:
    """The same units always; every event counts, and what it says stays."""
    events = recorded(yard, None, count=300, payload_share=0.25)
    assert len(events) == 300 and all(e.served.score is not None for e in events)
    for event in events:
        assert event.payload == (position("payload\0parcel-late", event.unit) < 0.25)
        assert bool(event.inputs) == bool(event.served.features) == event.payload
    assert 45 < sum(e.payload for e in events) < 105


def test_columns_that_evidence_is_sliced_by_are_always_kept(yard_of: Any) -> None:
    """Sampling changes no statistic."""
    keep = [at_most("error_rate", 0.01), no_worse("log_loss", margin=0.02, than="fallback", by="depot")]
    events = recorded(yard_of(keep=keep), None, payload_share=0.0)
    assert [set(e.inputs) for e in events] == [{"depot"}] * 20


def test_what_is_said_beside_is_recorded_likewise(yard: Any) -> None:
    """And is computed from the whole question."""
    old, new = yard.release(1.0), yard.release(-1.0)
    yard.fleet.ensure([old, new])
    pipeline = yard.pipeline(recording=Recording(yard.capability, None, payload_share=0.0))
    deployment = rolling(new.digest, old.digest, share=0.25)
    said = pipeline.beside(pipeline.answer(yard.questions(10), deployment), deployment)
    kept = [record for record in yard.log.read()[0] if isinstance(record, Beside)]
    assert [[a.score for a in r.answers] for r in kept] == [[a.score for a in r.answers] for r in said]
    assert not any(a.features for r in kept for a in r.answers)


def test_without_redaction_and_sampling_an_event_is_recorded_as_it_is(yard: Any) -> None:
    """Not even copied."""
    event = recorded(yard, contract(weight="plain"))[0]
    assert Recording(yard.capability, None).event(event, {}) is event


def test_a_hash_needs_a_key(yard: Any) -> None:
    """Without one nothing is served: a plain hash of an e-mail address is soon guessed."""
    with pytest.raises(UsageError, match="depot are recorded as a keyed hash, and no key is given"):
        Recording(yard.capability, contract(depot="hash"))


ODCS = """
apiVersion: v3.2.0
kind: DataContract
id: parcels
version: 1.0.0
schema:
  - name: parcels
    properties:
      - {name: parcel, logicalType: string}
      - {name: asked, logicalType: timestamp}
      - {name: late, logicalType: boolean}
      - {name: weight, logicalType: number, classification: Confidential}
      - name: depot
        logicalType: string
        classification: restricted
        customProperties: [{property: recorded, value: DEPOT}]
"""


def declared(folder: Path, depot: str) -> Contract:
    path = folder / "parcels.odcs.yaml"
    path.write_text(ODCS.replace("DEPOT", depot))
    return Contract.load(path)


def test_a_contract_says_how_a_column_is_recorded(tmp_path: Path) -> None:
    """By the standard's classification, or in a word of its own, which goes first."""
    assert declared(tmp_path, "drop").redacted == {"weight": "hash", "depot": "drop"}
    assert declared(tmp_path, "plain").redacted == {"weight": "hash"}
    with pytest.raises(InvalidDeclaration, match="depot: recorded cannot be 'shred'"):
        declared(tmp_path, "shred")


CAPABILITY = """
from plimsoll import BinaryClassification, Capability, Inputs, Source, at_least, at_most, number

capability = Capability(
    name="parcel-late", owner="depot", task=BinaryClassification(label="late"), train=lambda rows, params: None,
    source=Source(name="parcels", contract="parcels.odcs.yaml", rows="p.csv", asked_at="asked", unit="parcel", STICKY),
    features=[Inputs(number("weight"))], gate=[at_least("auc", 0.6)],
    keep=[at_most("error_rate", 0.01)], SLICES
)
"""


@pytest.mark.parametrize(
    ("sticky", "slices", "how", "said"),
    [
        ("", "slices=['depot']", "hash", "slices: the column 'depot' is shown in evidence"),
        ("block='depot'", "", "hash", "source: block: the column 'depot' is shown in evidence"),
        ("sticky='depot'", "", "drop", "source: sticky: the column 'depot' is dropped from events"),
    ],
)
def test_what_evidence_shows_cannot_be_redacted(tmp_path: Path, sticky: str, slices: str, how: str, said: str) -> None:
    """Said when the capability is loaded."""
    declared(tmp_path, how)
    (tmp_path / "capability.py").write_text(CAPABILITY.replace("STICKY", sticky).replace("SLICES", slices))
    with pytest.raises(InvalidDeclaration, match=said):
        load(tmp_path)


def found_on_disk(folder: Path, needle: bytes) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file() and needle in path.read_bytes()]
