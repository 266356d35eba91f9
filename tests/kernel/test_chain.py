"""The chain: whatever is done to a written ledger is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.kernel.chain import GENESIS, Checkpoint, Entry, Line, faults, link

NOON = datetime(2013, 2, 1, 12, tzinfo=UTC)
words = st.text("abc", min_size=1, max_size=4)
entries = st.builds(
    Entry,
    at=st.integers(0, 10**6).map(lambda s: NOON + timedelta(seconds=s)),
    capability=words,
    kind=words,
    subject=words,
    summary=words,
    actor=words,
    body=st.dictionaries(words, st.integers() | words, max_size=2),
)


def chained(found: list[Entry]) -> list[Line]:
    lines: list[Line] = []
    for entry in found:
        lines.append(link(lines[-1].digest if lines else GENESIS, len(lines) + 1, entry))
    return lines


def mark(line: Line) -> Checkpoint:
    return Checkpoint(seq=line.seq, digest=line.digest, at=NOON)


ledgers = st.lists(entries, min_size=1, max_size=8).map(chained)
place = st.integers(0, 7)


@given(ledgers)
def test_a_whole_ledger_has_no_faults(lines: list[Line]) -> None:
    """Nor with every line marked, nor when marks lag."""
    assert list(faults(lines)) == [] == list(faults(lines, map(mark, lines)))
    assert list(faults([])) == []


@given(ledgers, place, st.sampled_from(["capability", "kind", "subject", "summary", "actor", "at", "body"]))
def test_a_changed_line_is_named(lines: list[Line], at: int, field: str) -> None:
    """Each field of it."""
    at %= len(lines)
    entry = lines[at].entry
    other = {"at": entry.at + timedelta(seconds=1), "body": {**entry.body, "new": 1}}.get(field, "changed")
    lines[at] = replace(lines[at], entry=replace(entry, **{field: other}))
    assert f"line {at + 1} was changed" in "; ".join(faults(lines))


@given(ledgers, place, entries)
def test_a_line_that_is_replaced_and_linked_anew_breaks_the_next(lines: list[Line], at: int, other: Entry) -> None:
    """Its digest is in the line after it; only at the very end a mark is needed."""
    at %= len(lines)
    forged = link(lines[at].previous, at + 1, other)
    marks = [mark(lines[-1])]
    if forged != lines[at]:
        lines[at] = forged
        named = "; ".join(faults(lines, marks))
        assert f"line {at + 2} does not follow" in named or f"line {at + 1} is not the one" in named


@given(ledgers, place)
def test_a_missing_line_is_named(lines: list[Line], at: int) -> None:
    """In the middle by the chain, at the end by a mark."""
    at %= len(lines)
    marks = [mark(lines[-1])]
    del lines[at]
    named = "; ".join(faults(lines, marks))
    assert f"line {at + 1} is missing" in named or "the tail was cut" in named


@given(ledgers, place, place)
def test_lines_in_another_order_are_named(lines: list[Line], one: int, other: int) -> None:
    """A line's place is part of its digest."""
    one, other = one % len(lines), other % len(lines)
    lines[one], lines[other] = lines[other], lines[one]
    assert bool(list(faults(lines))) == (one != other)


@given(ledgers, place)
def test_a_line_written_twice_is_named(lines: list[Line], at: int) -> None:
    """A decision counts once."""
    at %= len(lines)
    lines.insert(at, lines[at])
    assert list(faults(lines))


@given(ledgers, place)
def test_a_cut_tail_is_named_by_a_mark(lines: list[Line], at: int) -> None:
    """The chain that is left is whole; only what was seen elsewhere shows the cut."""
    marks = [mark(line) for line in lines]
    kept = lines[: at % len(lines)]
    assert list(faults(kept)) == []
    assert sum("the tail was cut" in fault for fault in faults(kept, marks)) == len(lines) - len(kept)


@given(ledgers, entries)
def test_a_full_rewrite_is_named_by_a_mark(lines: list[Line], other: Entry) -> None:
    """A perfect new chain does not have the marked digests."""
    rewritten = chained([other, *(line.entry for line in lines[1:])])
    assert list(faults(rewritten)) == []
    named = "; ".join(faults(rewritten, [mark(lines[-1])]))
    assert ("the ledger was rewritten" in named) == (other != lines[0].entry)


def test_a_mark_signs_its_place_digest_and_time() -> None:
    """Not its own signature."""
    point = Checkpoint(seq=3, digest="a" * 64, at=NOON)
    assert replace(point, signature="ff").signed_bytes() == point.signed_bytes()
    changed = {"seq": 4, "digest": "b" * 64, "at": NOON + timedelta(seconds=1)}
    assert all(replace(point, **{k: v}).signed_bytes() != point.signed_bytes() for k, v in changed.items())
