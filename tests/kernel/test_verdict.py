"""The verdict: an algebra of rulings, and bounds against limits."""

from __future__ import annotations

import math

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from plimsoll.kernel.requirement import at_least, at_most, no_worse
from plimsoll.kernel.verdict import Block, Count, Evidence, Policy, Ruling, Source, combine, find, identified, judge

from .given import BETTER, ERRORS, NO_WORSE, NOON, POLICY, SAYINGS, SLOW, about, blocks, evidence

PASS, FAIL, INCONCLUSIVE, INVALID = Ruling.PASS, Ruling.FAIL, Ruling.INCONCLUSIVE, Ruling.INVALID
rulings = st.lists(st.sampled_from(Ruling), max_size=8)
some = st.lists(st.sampled_from(Ruling), min_size=1, max_size=8)
sources = st.sampled_from(["gate", "shadow", "canary", "live"])
heard = st.builds(
    evidence,
    st.sampled_from(SAYINGS),
    st.sampled_from([NO_WORSE, BETTER, ERRORS, SLOW]),
    source=sources,
)
far_below = st.lists(st.floats(-1.0, -0.1), max_size=40)  # the limit of NO_WORSE is 0.02
far_above = st.lists(st.floats(0.2, 1.0), max_size=40)


def measured(means: list[float] | tuple[float, ...], source: Source = "shadow", missing: int = 0) -> Evidence:
    found = blocks(*means, missing=missing)
    return Evidence(requirement=NO_WORSE, release="r1", source=source, comparator="r0", blocks=found)


def ruling(e: Evidence, policy: Policy = POLICY, minimum: int = 0) -> Ruling:
    return judge([e], policy, NOON, minimum_blocks=minimum).ruling


# ── the algebra ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(rulings)
def test_neither_order_nor_repetition_changes_what_is_combined(found: list[Ruling]) -> None:
    """Evidence comes in any order, and twice."""
    assert combine(found) is combine(found[::-1]) is combine(found + found) is combine(sorted(found))


@given(some, some)
def test_combining_in_parts_is_combining_at_once(one: list[Ruling], other: list[Ruling]) -> None:
    """A verdict over verdicts is the verdict over all."""
    assert combine([combine(one), combine(other)]) is combine(one + other)


@given(rulings)
def test_a_pass_is_nothing_but_passes(found: list[Ruling]) -> None:
    """Not of nothing, and not beside anything else: an invalid or an open question never becomes a pass."""
    assert (combine(found) is PASS) == (bool(found) and set(found) == {PASS})


@given(rulings)
def test_a_fail_stands_whatever_else_there_is(found: list[Ruling]) -> None:
    """Fail, then invalid, then inconclusive."""
    assert combine([*found, FAIL]) is FAIL
    assert combine([*found, INVALID]) in (FAIL, INVALID)
    assert combine([*found, INCONCLUSIVE]) is not PASS


def test_nothing_shown_is_inconclusive() -> None:
    """Never a pass, and never an exception."""
    verdict = judge([], POLICY, NOON)
    assert (verdict.ruling, verdict.findings, verdict.reasons) == (INCONCLUSIVE, (), ())


@given(st.lists(heard, max_size=5))
def test_a_verdict_combines_its_findings_and_gives_their_reasons(found: list[Evidence]) -> None:
    """One finding for each piece of evidence, in its order; the reasons are those of the findings that decided."""
    verdict = judge(found, POLICY, NOON)
    assert verdict.ruling is combine(f.ruling for f in verdict.findings)
    assert [f.requirement for f in verdict.findings] == [str(e.requirement) for e in found]
    assert list(verdict.reasons) == [f.reason for f in verdict.findings if f.ruling is verdict.ruling]


@settings(deadline=None)
@given(st.lists(heard, max_size=4))
def test_a_verdict_can_be_replayed_from_what_was_written(found: list[Evidence]) -> None:
    """The evidence comes back from JSON as it was, and gives the same verdict, to the digit."""
    again = msgspec.json.decode(msgspec.json.encode(found), type=list[Evidence])
    verdict = identified(judge(found, POLICY, NOON), found)
    assert identified(judge(again, POLICY, NOON), again) == verdict
    assert [f.evidence for f in verdict.findings] == [e.id for e in found]


# ── admissible? ───────────────────────────────────────────────────────────────────────────────────────────────────


@given(heard, st.lists(st.text("abc", min_size=1), min_size=1, max_size=2))
def test_evidence_with_a_problem_is_invalid_whatever_it_says(found: Evidence, problems: list[str]) -> None:
    """And the problem is the reason."""
    finding = find(replace(found, problems=tuple(problems)), POLICY, fail_alpha=0.05)
    assert finding.ruling is INVALID and problems[0] in finding.reason


@given(far_below, sources, st.sampled_from([math.nan, math.inf, -math.inf]), st.integers(0, 3))
def test_a_measuring_error_is_invalid(means: list[float], source: Source, broken: float, which: int) -> None:
    """Neither a pass nor an exception that stops the loop."""
    values = [-0.1, -0.1, -0.1, -0.2]
    values[which] = broken
    e = measured(means, source)
    assert ruling(replace(e, blocks=(*e.blocks, Block("2013-03-20", 100, *values)))) is INVALID


@pytest.mark.parametrize("source", ["gate", "shadow", "live"])
def test_more_hits_than_events_is_a_measuring_error(source: Source) -> None:
    """Somebody counted twice."""
    e = replace(evidence("good", ERRORS, source=source), counts=(Count("h", 3, 2),))
    assert ruling(e) is INVALID


@given(far_below, far_below, sources)
def test_a_block_without_most_of_its_outcomes_speaks_for_neither_side(
    before: list[float], after: list[float], source: Source
) -> None:
    """The numbers are those of the other blocks, and it is named: on storm days the fast half is not the day."""
    storm = Block("the storm", 100, 5.0, -5.0, 5.0, -5.0, 21)
    plain = measured(before + after, source)
    at = len(before)
    with_storm = replace(plain, blocks=(*plain.blocks[:at], storm, *plain.blocks[at:]))
    finding, clear = (find(e, POLICY, fail_alpha=0.05) for e in (with_storm, plain))
    assert (finding.ruling, finding.low, finding.high, finding.state) == (
        clear.ruling,
        clear.low,
        clear.high,
        clear.state,
    )
    assert "the storm not judged: more than 20% of the outcomes never came" in finding.reason


def test_a_few_missing_outcomes_are_bounded_not_ignored() -> None:
    """At the worst they would miss the limit: open. A fifth missing is still judged."""
    good = [replace_bounds(b, low=b.mean, high=b.mean + 0.1) for b in blocks(*about(-0.05, 14), missing=20)]
    e = replace(measured([]), blocks=tuple(good))
    assert ruling(e) is INCONCLUSIVE
    assert ruling(replace(e, blocks=blocks(*about(-0.05, 14), missing=20))) is PASS


def replace_bounds(b: Block, *, low: float, high: float) -> Block:
    return Block(b.name, b.n, b.mean, low, high, b.floor, b.missing)


# ── enough? ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_too_little_says_what_it_waits_for() -> None:
    """What the observer says is missing, or that nothing is there yet."""
    e = measured([])
    assert find(e, POLICY, fail_alpha=0.05).reason.endswith("no evidence yet")
    assert find(replace(e, waits_for="labels are due on 3 March"), POLICY, fail_alpha=0.05).reason.startswith("labels")


@given(st.integers(0, 6))
def test_a_gate_passes_on_no_fewer_than_seven_blocks(n: int) -> None:
    """However good they look."""
    assert ruling(measured(about(-0.5, n), "gate")) is not PASS
    assert ruling(measured(about(-0.5, 7), "gate")) is PASS


def test_a_stage_passes_on_no_fewer_blocks_than_it_asks_for() -> None:
    """It says how many have closed."""
    finding = judge([measured(about(-0.5, 12))], POLICY, NOON, minimum_blocks=13).findings[0]
    assert finding.ruling is INCONCLUSIVE and "12 of 13 blocks closed" in finding.reason
    assert ruling(measured(about(-0.5, 13)), minimum=13) is PASS


@given(st.integers(2, 4), st.sampled_from(["gate", "shadow", "canary"]))
def test_the_first_few_blocks_fail_nobody(n: int, source: Source) -> None:
    """A bad weekend is not a bad release."""
    assert ruling(measured(about(5.0, n), source)) is INCONCLUSIVE


# ── the bounds against the limit ──────────────────────────────────────────────────────────────────────────────────


@given(far_below, sources, st.integers(1, 9))
def test_blocks_clearly_below_the_limit_never_fail(means: list[float], source: Source, others: int) -> None:
    """However many there are, and whatever is judged beside them."""
    assert find(measured(means, source), POLICY, fail_alpha=0.05 / others).ruling is not FAIL


@given(far_above, st.sampled_from(["gate", "shadow", "canary"]))
def test_blocks_clearly_above_the_limit_never_pass(means: list[float], source: Source) -> None:
    """A live lease alone holds until the evidence against it is strong."""
    assert ruling(measured(means, source)) is not PASS


@given(st.lists(st.floats(-0.3, 0.3), max_size=30), st.sampled_from(["gate", "shadow"]), st.floats(0.0, 0.5))
def test_what_could_be_worse_is_never_shown_sooner(means: list[float], source: Source, by: float) -> None:
    """Outcomes that are missing on every block alike widen the bounds: who passes with them passes without."""
    sure = measured(means, source)
    unsure = replace(sure, blocks=tuple(replace_bounds(b, low=b.low - by, high=b.high + by) for b in sure.blocks))
    if ruling(unsure) in (PASS, FAIL):
        assert ruling(sure) is ruling(unsure)


@given(heard, st.lists(heard, max_size=6))
def test_company_makes_a_fail_harder_and_leaves_a_pass_alone(e: Evidence, others: list[Evidence]) -> None:
    """Fail is a union, so its error is split; pass is an intersection, each at the full level."""
    alone, among = judge([e], POLICY, NOON).findings[0], judge([e, *others], POLICY, NOON).findings[0]
    assert among.ruling is not FAIL or alone.ruling is FAIL
    if e.source != "live":
        assert (among.ruling is PASS) == (alone.ruling is PASS)


def test_the_error_of_a_fail_is_split_over_the_requirements() -> None:
    """What fails alone at 5 % may be open among ten at ½ %."""
    e = measured(about(0.0266, 9), "gate")
    assert judge([e], POLICY, NOON).findings[0].ruling is FAIL
    assert judge([e] * 40, POLICY, NOON).findings[0].ruling is INCONCLUSIVE


def test_the_share_of_a_requirement_is_the_same_at_every_look() -> None:
    """A look that has evidence for one of three tests it at a third: else all looks together promise more than alpha."""
    e, others = measured(about(0.03, 12)), [evidence("good", ERRORS), evidence("good", SLOW)]
    among = judge([e, *others], POLICY, NOON).findings[0]
    assert judge([e], POLICY, NOON, requirements=3).findings[0] == among
    assert judge([e], POLICY, NOON).findings[0] != among


def test_slices_share_what_their_requirement_has() -> None:
    """However many a column has, the other requirements keep their part of the error."""
    errors, e = evidence("bad", ERRORS), measured(about(0.03, 12))
    sliced = [replace(e, slice=f"depot={n}") for n in range(8)]
    alone, among = judge([errors, e], POLICY, NOON).findings, judge([errors, *sliced], POLICY, NOON).findings
    assert among[0] == alone[0]
    assert among[1].low is not None and alone[1].low is not None and among[1].low < alone[1].low


@given(st.lists(st.floats(0.0, 1.0), max_size=30))
def test_at_least_is_at_most_turned_round(means: list[float]) -> None:
    """A level from above judges as its mirror image does from below."""
    up = Evidence(requirement=at_least("auc", 0.6), release="r1", source="gate", blocks=blocks(*means))
    mirrored = tuple(Block(b.name, b.n, -b.mean, -b.high, -b.low, -2.0) for b in up.blocks)
    down = replace(up, requirement=at_most("r2", -0.6), blocks=mirrored)
    assert ruling(up) is ruling(down)


def test_no_difference_is_no_worse_and_not_better() -> None:
    """Two releases that answer alike: superiority is refused, non-inferiority shown."""
    same = measured([0.0] * 12)
    assert ruling(same) is PASS
    assert ruling(replace(same, requirement=BETTER)) is FAIL


@given(st.integers(0, 4_000), st.integers(1, 4_000), st.sampled_from(["gate", "shadow"]))
def test_a_rate_is_judged_from_its_counts(hits: int, misses: int, source: Source) -> None:
    """Never against what was seen: below the limit it does not fail, above it it does not pass."""
    e = replace(evidence("good", ERRORS, source=source), counts=(Count("h", hits, hits + misses),))
    rate = hits / (hits + misses)
    assert ruling(e) is not (FAIL if rate <= ERRORS.limit else PASS)


def test_a_quantile_is_a_rate_of_slow_answers() -> None:
    """p95 ≤ 50 ms says that at most 5 % take longer."""
    for hits, said in ((10, PASS), (100, INCONCLUSIVE), (400, FAIL)):
        e = replace(evidence("good", SLOW), counts=(Count("h", hits, 2_000),))
        assert ruling(e) is said
        assert "of answers over 50 ms" in find(e, POLICY, fail_alpha=0.05).reason


def test_a_slice_is_named_in_its_reason() -> None:
    """Who fails, on what, against whom."""
    finding = find(replace(measured(about(0.5)), slice="origin=JFK"), POLICY, fail_alpha=0.05)
    assert finding.reason.startswith("origin=JFK: log_loss no worse than the champion by 0.02: does not hold")
    assert finding.operational is False


# ── since when ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_fault_that_begins_late_is_not_diluted() -> None:
    """Forty good days, then a fortnight of bad ones, and all of them together look too dependent to be judged: it fails since
    then, on those days alone, and is good without them."""
    good, bad = about(-0.3, 40), about(0.3, 14)
    finding = find(measured(good + bad), POLICY, fail_alpha=0.05)
    assert finding.ruling is FAIL and finding.blocks == 14
    assert finding.reason.endswith("since 2013-02-41")
    assert finding.low is not None and finding.estimate is not None and 0.02 < finding.low < finding.estimate
    assert ruling(measured(good)) is PASS


def test_a_gate_looks_once_and_asks_for_no_onset() -> None:
    """Its blocks are one sample, chosen beforehand."""
    scattered = [-0.3 + 0.5 * ((3 * i) % 7 - 3) / 3 for i in range(40)] + [0.1] * 10
    assert (
        ruling(measured(scattered, "gate")) is ruling(measured(scattered)) is PASS
    )  # ten equal blocks are no constant
    assert ruling(measured(about(-0.3, 40) + about(0.3, 14), "gate")) is not FAIL


@given(st.lists(st.floats(-0.3, 0.3), min_size=10, max_size=60))
def test_later_starts_only_ever_fail(means: list[float]) -> None:
    """Who passes by the whole sequence, and fails by none, passes; the bounds of a pass are those of all blocks."""
    finding = find(measured(means), POLICY, fail_alpha=0.05)
    if finding.ruling is not FAIL:
        assert finding.blocks == len(means) and "since" not in finding.reason


def days(*hits: int, n: int = 1_000) -> Evidence:
    """An error rate, day by day."""
    counted = tuple(Count(f"2013-02-{i + 1:02}T00…2013-02-{i + 1:02}T23", h, n) for i, h in enumerate(hits))
    return replace(evidence("good", ERRORS, source="canary"), counts=counted)


def test_errors_that_begin_in_the_canary_are_not_diluted_by_a_clean_shadow() -> None:
    """Three weeks without any, then six times the limit: it fails since the day on which they began."""
    finding = find(days(*[0] * 21, 120), POLICY, fail_alpha=0.05)
    assert finding.ruling is FAIL and finding.reason.endswith("since 2013-02-22T00")
    assert (finding.estimate, finding.events) == (0.12, 1_000)


def test_a_bad_day_among_days_that_move_takes_nobody_back() -> None:
    """A rate at its limit on average, which doubles on one day in four: three weeks of it are neither shown nor convicted."""
    assert ruling(days(*[10, 14, 12, 44] * 5)) is INCONCLUSIVE


def test_a_compared_rate_that_becomes_worse_is_found_since_then() -> None:
    """The champion's blocks begin with it."""
    names = [f"2013-02-{i + 1:02}" for i in range(15)]
    ours = tuple(Count(name, 0 if i < 12 else 400, 2_000) for i, name in enumerate(names))
    theirs = tuple(Count(name, 20, 2_000) for name in names)
    finding = find(replace(rates(0, 1, (0, 1)), counts=ours, against=theirs), POLICY, fail_alpha=0.01)
    assert finding.ruling is FAIL


# ── live ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@given(st.lists(st.floats(-0.2, 0.3), min_size=1, max_size=30), st.integers(0, 30), st.sampled_from([NO_WORSE, ERRORS]))
def test_a_detector_fed_in_parts_is_in_the_same_state(means: list[float], cut: int, requirement: object) -> None:
    """A pass costs what is new: the carried state stands for all that was before."""
    e = replace(measured(means, "live"))
    if requirement is ERRORS:
        counts = tuple(Count(b.name, round(100 * (b.mean + 0.2)), 100) for b in e.blocks)
        e = replace(e, requirement=ERRORS, blocks=(), counts=counts)
    first, second = (
        replace(e, blocks=e.blocks[part], counts=e.counts[part]) for part in (slice(0, cut), slice(cut, None))
    )
    carry = find(first, POLICY, fail_alpha=0.05).state
    whole = find(e, POLICY, fail_alpha=0.05)
    if second.blocks or second.counts:
        assert find(replace(second, carry=carry), POLICY, fail_alpha=0.05).state == pytest.approx(whole.state, rel=1e-9)


def test_a_good_year_does_not_blind_the_lease() -> None:
    """After 300 good days two bad weeks are noticed."""
    year = find(measured(about(-0.02, 300), "live"), POLICY, fail_alpha=0.05)
    assert year.ruling is PASS and "holds" in year.reason
    bad = replace(measured(about(0.3, 14), "live"), carry=year.state)
    assert find(bad, POLICY, fail_alpha=0.05).ruling is FAIL


def test_a_day_without_outcomes_leaves_the_detector_where_it_was() -> None:
    """No state of its own: the lease keeps the one it carries."""
    finding = find(replace(measured([0.5], "live", missing=90), carry=(1.0,) * 4), POLICY, fail_alpha=0.05)
    assert (finding.ruling, finding.state) == (INCONCLUSIVE, ())


def test_the_alarms_of_a_lease_are_split_over_its_requirements() -> None:
    """A detector of a lease with forty requirements alarms a fortieth as often."""
    days = next(
        n for n in range(1, 40) if find(measured(about(0.1, n), "live"), POLICY, fail_alpha=0.05).ruling is FAIL
    )
    e = measured(about(0.1, days), "live")
    assert ruling(e) is FAIL and judge([e] * 40, POLICY, NOON).ruling is PASS


def test_a_sequence_is_narrowest_where_the_policy_plans_it() -> None:
    """Two hundred short blocks are judged more sharply by a policy that planned for as many."""
    found = measured([0.3 * (-1) ** i for i in range(200)])
    usual, patient = (judge([found], replace(POLICY, planned_blocks=n), NOON).findings[0] for n in (20, 200))
    assert patient.high < usual.high and patient.low > usual.low


COMPARED = no_worse("error_rate", margin=0.005, than="champion")


def rates(hits: int, n: int, against: tuple[int, int] | None) -> Evidence:
    other = (Count("h", *against),) if against else ()
    return Evidence(
        requirement=COMPARED, release="r1", source="canary", comparator="r0", counts=(Count("h", hits, n),), against=other
    )  # fmt: skip


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [((90, 2_000), (20, 2_000), FAIL), ((20, 8_000), (21, 8_000), PASS), ((3, 200), (1, 200), INCONCLUSIVE)],
)
def test_error_rates_are_compared(ours: tuple[int, int], theirs: tuple[int, int], said: Ruling) -> None:
    """The difference of the two rates against the margin, exact at any number of events."""
    finding = judge([rates(*ours, theirs)], POLICY, NOON).findings[0]
    assert finding.ruling is said and finding.method == "betting-difference"
    assert finding.low < ours[0] / ours[1] - theirs[0] / theirs[1] < finding.high


def test_a_champion_that_has_not_answered_is_waited_for() -> None:
    """There is no rate to compare with, and no number in the reason that is none."""
    finding = judge([rates(3, 200, None)], POLICY, NOON).findings[0]
    assert finding.ruling is INCONCLUSIVE and "has not answered yet" in finding.reason and finding.estimate is None


def test_evidence_that_compares_no_rates_keeps_its_name() -> None:
    """What was written before rates could be compared is found again by its digest."""
    old = measured([0.01, 0.02])
    assert (
        old.id == "a15440a29009134b59a18a73d699e318bfb2e3a498fbf45e2d44c19a951bfac6"
        and rates(1, 2, (1, 2)).id != rates(1, 2, (0, 2)).id
    )
