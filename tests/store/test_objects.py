"""One suite over every adapter of ``Objects``; then what only the local one promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plimsoll.errors import Damaged, Unavailable, UsageError
from plimsoll.kernel.digest import digest_bytes
from plimsoll.kernel.ports import Objects
from plimsoll.store import LocalObjects, ObstoreObjects, collect

NOBODY = "0" * 64


@pytest.fixture(params=["local", "obstore file", "obstore memory"])
def objects(request: pytest.FixtureRequest, tmp_path: Path) -> Objects:
    if request.param == "local":
        return LocalObjects(tmp_path / "objects")
    if request.param == "obstore memory":
        return ObstoreObjects("memory:///")
    return ObstoreObjects(tmp_path.as_uri())


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.binary(max_size=2_000))
def test_bytes_come_back_under_their_digest(objects: Objects, data: bytes) -> None:
    """Any bytes, the empty ones too; twice is one object."""
    digest = objects.put(data)
    assert digest == digest_bytes(data) == objects.put(data)
    assert objects.get(digest) == data
    assert objects.has(digest)


def test_what_is_not_there_is_unavailable(objects: Objects) -> None:
    """Perhaps another store has it: retrying may help."""
    assert not objects.has(NOBODY)
    with pytest.raises(Unavailable, match="there is no object 000000000000"):
        objects.get(NOBODY)


@pytest.mark.parametrize("name", ["../../etc/passwd", "ABC", "", "0" * 63, "0" * 64 + "/x"])
def test_no_path_is_taken_from_a_caller(objects: Objects, name: str) -> None:
    """A digest is 64 hex digits, or the call was wrong."""
    for call in (objects.get, objects.has, objects.delete):
        with pytest.raises(UsageError, match="64 lower-case hex digits"):
            call(name)


def test_all_objects_are_listed_and_deleted(objects: Objects) -> None:
    """Deleting what is gone already is fine."""
    digests = sorted(objects.put(data) for data in (b"a", b"b", b"c"))
    assert list(objects.digests()) == digests
    for digest in [*digests, digests[0]]:
        objects.delete(digest)
    assert list(objects.digests()) == []


def test_a_sound_store_has_no_faults(objects: Objects) -> None:
    """Verification reads everything and says nothing."""
    objects.put(b"sound")
    assert list(objects.verify()) == []


def test_collect_deletes_what_nothing_refers_to(objects: Objects) -> None:
    """And what is put while the roots are being read is safe."""
    kept, swept = objects.put(b"kept"), objects.put(b"swept")
    late: list[str] = []

    def roots() -> Iterator[str]:
        late.append(objects.put(b"late"))
        yield kept

    assert collect(objects, roots()) == [swept]
    assert list(objects.digests()) == sorted([kept, *late])


def test_recently_written_objects_can_be_spared(tmp_path: Path) -> None:
    """Putting the same bytes again counts as writing them."""
    objects = LocalObjects(tmp_path)
    digest = objects.put(b"x")
    now = datetime.now(UTC)
    assert objects.written_since(now - timedelta(minutes=1)) == {digest}
    assert objects.written_since(now + timedelta(minutes=1)) == frozenset()


def flip_a_byte(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 0x01
    path.write_bytes(data)


@pytest.mark.parametrize("make", [LocalObjects, lambda folder: ObstoreObjects(folder.as_uri())])
def test_a_flipped_byte_is_found_and_never_returned(make: Callable[[Path], Objects], tmp_path: Path) -> None:
    """Named by digest, in a read as in verification."""
    objects = make(tmp_path)
    good, bad = objects.put(b"good bytes"), objects.put(b"bad bytes")
    flip_a_byte(next(tmp_path.rglob(bad)))
    with pytest.raises(Damaged, match=bad[:12]):
        objects.get(bad)
    assert [bad[:12] in said for said in objects.verify()] == [True]
    assert objects.get(good) == b"good bytes"


def test_putting_a_damaged_object_again_heals_it(tmp_path: Path) -> None:
    """The right bytes replace the wrong ones."""
    objects = LocalObjects(tmp_path)
    digest = objects.put(b"precious")
    flip_a_byte(next(tmp_path.rglob(digest)))
    objects.put(b"precious")
    assert objects.get(digest) == b"precious"


def test_a_killed_writers_leftover_is_removed_and_said(tmp_path: Path) -> None:
    """Only a dead writer's: a living one holds its lock."""
    objects = LocalObjects(tmp_path)
    objects.put(b"x")
    script = f"""
import os, signal
from pathlib import Path
from plimsoll.store.durable import aside
with aside(Path({str(tmp_path / "aside")!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == -9
    assert len(list((tmp_path / "aside").iterdir())) == 1
    assert ["left half written" in said for said in LocalObjects(tmp_path).repairs()] == [True]
    assert list((tmp_path / "aside").iterdir()) == []
    assert LocalObjects(tmp_path).repairs() == []


def test_reading_creates_nothing(tmp_path: Path) -> None:
    """A store that is only opened leaves no folder behind."""
    objects = LocalObjects(tmp_path / "none")
    assert list(objects.digests()) == [] and not objects.has(NOBODY)
    assert not (tmp_path / "none").exists()


def test_a_bad_url_is_a_usage_error() -> None:
    """With an example of a good one."""
    with pytest.raises(UsageError, match=r"s3://bucket"):
        ObstoreObjects("gopher://x")
