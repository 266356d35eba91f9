"""Methods beside Student's t, each against a reference: scipy's where it has one, else the formula written out."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats as scipy_stats
from sklearn.metrics import roc_auc_score

from plimsoll.errors import UsageError
from plimsoll.stats import METRICS, jackknife_blocks, t_interval
from plimsoll.stats.covariates import cuped
from plimsoll.stats.discordance import mcnemar
from plimsoll.stats.paired_auc import delong
from plimsoll.stats.quantiles import quantile_interval
from plimsoll.stats.ratios import Totals, ratio_interval
from plimsoll.stats.unpaired import welch
from plimsoll.stats.weighting import stratified_mean, weighted_mean


def rows(seed: int = 0, n: int = 400, digits: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Two scores with ties, labels, and thirty clusters."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(2, 3, n)
    blurred = np.clip(chance + rng.normal(0, 0.2, n), 0, 1)
    return chance.round(digits), blurred.round(digits), (rng.random(n) < chance) * 1.0, rng.integers(0, 30, n)


def placements(scores: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """V₁₀ and V₀₁ of DeLong 1988, pair by pair."""
    up, down = scores[labels == 1][:, None], scores[labels == 0]
    psi = (up > down) + 0.5 * (up == down)
    return psi.mean(axis=1), psi.mean(axis=0)


# ── AUC ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_delong_is_the_formula_pair_by_pair() -> None:
    """Estimate and error, of the difference of two correlated curves."""
    a, b, labels, _ = rows()
    (a10, a01), (b10, b01) = placements(a, labels), placements(b, labels)
    variance = np.var(a10 - b10, ddof=1) / len(a10) + np.var(a01 - b01, ddof=1) / len(a01)
    found = delong(a, labels, against=b)
    assert found.estimate == pytest.approx(roc_auc_score(labels, a) - roc_auc_score(labels, b), abs=1e-12)
    assert found.high - found.estimate == pytest.approx(scipy_stats.norm.ppf(0.975) * math.sqrt(variance), abs=1e-9)


def test_clustered_rows_are_obuchowski_s() -> None:
    """Equations 2 to 5 of 1997, written out cluster by cluster."""
    scores, _, labels, clusters = rows(1)
    v10, v01 = placements(scores, labels)
    auc, m, n, names = v10.mean(), len(v10), len(v01), np.unique(clusters)
    x = np.array([(v10[clusters[labels == 1] == c] - auc).sum() for c in names])
    y = np.array([(v01[clusters[labels == 0] == c] - auc).sum() for c in names])
    with_up, with_down = (len(np.unique(clusters[labels == of])) for of in (1, 0))
    s10, s01 = with_up / (with_up - 1) / m * (x @ x), with_down / (with_down - 1) / n * (y @ y)
    variance = s10 / m + s01 / n + 2 * len(names) / (len(names) - 1) * (x @ y) / (m * n)
    found = delong(scores, labels, clusters=clusters)
    reach = scipy_stats.t.ppf(0.975, len(names) - 1) * math.sqrt(variance)
    assert (found.n, found.method) == (30, "obuchowski")
    assert found.high - found.estimate == pytest.approx(reach, abs=1e-9)


def test_a_cluster_a_row_is_delong_almost() -> None:
    """They differ by a cross product that vanishes and by t against the normal; and the jackknife agrees too."""
    scores, _, labels, _ = rows(2, n=1500, digits=6)
    alone, clustered = delong(scores, labels), delong(scores, labels, clusters=np.arange(1500))
    values = [v.value for v in jackknife_blocks(METRICS["auc"].whole, scores, labels, np.arange(1500))]  # type: ignore[arg-type]
    left_out = t_interval(values, alpha_low=0.025, alpha_high=0.025)
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.01)
    assert left_out.high - left_out.low == pytest.approx(alone.high - alone.low, rel=0.15)  # widened by the prior


@pytest.mark.parametrize(("labels", "said"), [([1.0] * 4, "missing"), ([], "missing"), ([1.0, 0.0, math.nan, 0.0], "")])
def test_too_few_of_a_class_have_open_bounds(labels: list[float], said: str) -> None:
    """And where a class is missing, no estimate."""
    found = delong([0.1, 0.4, 0.2, 0.8][: len(labels)], labels)
    assert said in found.problem and math.isinf(found.high) and math.isnan(found.estimate) == bool(said)


def test_an_auc_has_two_labels() -> None:
    """And no third."""
    with pytest.raises(UsageError, match="labels 0 and 1"):
        delong([0.1, 0.2], [0.0, 2.0])


# ── accuracy ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("won", "lost"), [(0, 0), (3, 3), (0, 8), (12, 4), (900, 1000)])
def test_mcnemar_is_the_exact_binomial(won: int, lost: int) -> None:
    """Two-sided, as scipy has it; nothing to tell apart is 1."""
    ours = np.array([True] * won + [False] * lost + [True, False])
    theirs = np.array([False] * won + [True] * lost + [True, False])
    found = mcnemar(ours, theirs)
    expected = scipy_stats.binomtest(won, won + lost).pvalue if won + lost else 1.0
    assert (found.only_ours, found.only_theirs) == (won, lost)
    assert found.p_value == pytest.approx(expected, abs=1e-12)


# ── ratios ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_ratio_has_the_delta_method_s_error() -> None:
    """Before the widening for dependence: the t of linearised values (Deng et al. 2018, equation 4)."""
    rng = np.random.default_rng(3)
    views = rng.integers(50, 500, 60).astype(float)
    clicks = rng.binomial(views.astype(int), 0.1).astype(float)
    found = ratio_interval(Totals(clicks.tolist(), views.tolist()))
    r, n = clicks.sum() / views.sum(), len(views)
    cov = np.cov(clicks, views)
    variance = (cov[0, 0] - 2 * r * cov[0, 1] + r * r * cov[1, 1]) / (n * views.mean() ** 2)
    narrow = scipy_stats.t.ppf(0.975, n - 1) * math.sqrt(variance)
    assert found.estimate == pytest.approx(r, abs=1e-12)
    assert narrow - 1e-9 <= found.high - found.estimate <= 1.5 * narrow


def test_ratios_of_the_same_blocks_are_paired() -> None:
    """Against itself a ratio differs by nothing; with nothing below, there is none."""
    of = Totals([1.0, 3.0, 2.0] * 4, [10.0, 20.0, 15.0] * 4)
    assert ratio_interval(of, against=of).high == 0.0
    empty = ratio_interval(Totals([0.0, 0.0], [0.0, 0.0]))
    assert math.isnan(empty.estimate) and "sum to zero" in empty.problem
    with pytest.raises(UsageError, match="below zero"):
        ratio_interval(Totals([1.0, 1.0], [1.0, -1.0]))


# ── quantiles ────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("q", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("n", [1, 7, 60, 2000])
def test_a_quantile_s_bounds_are_the_binomial_s_ranks(q: float, n: int) -> None:
    """The largest rank whose tail is within α, and infinity where there is none."""
    values = np.random.default_rng(n).permutation(np.arange(1.0, n + 1))
    found = quantile_interval(values, q)
    low = max((rank for rank in range(1, n + 1) if scipy_stats.binom.cdf(rank - 1, n, q) <= 0.025), default=None)
    high = min((rank for rank in range(1, n + 1) if scipy_stats.binom.sf(rank - 1, n, q) <= 0.025), default=None)
    assert (found.low, found.high) == (low or -math.inf, high or math.inf)
    assert found.estimate == math.ceil(q * n)


def test_a_quantile_over_blocks_knows_that_blocks_differ() -> None:
    """Days that are slow as a whole: wider than if answers were independent, by more than twice."""
    rng = np.random.default_rng(4)
    day = np.repeat(np.arange(30), 200)
    values = rng.lognormal(3, 0.3, 6000) * rng.lognormal(0, 0.4, 30)[day]
    alone, blocks = quantile_interval(values, 0.95), quantile_interval(values, 0.95, block_ids=day)
    assert blocks.high - blocks.low > 2 * (alone.high - alone.low) and blocks.low < alone.estimate < blocks.high


@pytest.mark.parametrize(("values", "q", "said"), [([1.0], 1.0, "between 0 and 1"), ([math.nan], 0.5, "not a number")])
def test_a_quantile_of_nonsense_is_refused(values: list[float], q: float, said: str) -> None:
    """Infinity is a value (a time-out); NaN is none."""
    with pytest.raises(UsageError, match=said):
        quantile_interval(values, q)
    assert quantile_interval([1.0, math.inf, 2.0], 0.5).estimate == 2.0


# ── CUPED, weights, strata, unpaired ─────────────────────────────────────────────────────────────────────────────────


def test_cuped_takes_out_what_was_known_before() -> None:
    """The mean stays, and the variance falls by ρ²."""
    rng = np.random.default_rng(5)
    before = rng.normal(10, 2, 500)
    values = 0.8 * before + rng.normal(0, 1, 500)
    found = cuped(values.tolist(), before.tolist())
    assert found.theta == pytest.approx(np.polyfit(before, values, 1)[0], abs=1e-9)
    assert found.removed == pytest.approx(np.corrcoef(before, values)[0, 1] ** 2, abs=1e-9)
    assert np.mean(found.values) == pytest.approx(values.mean(), abs=1e-9)
    assert np.var(found.values) == pytest.approx((1 - found.removed) * np.var(values), abs=1e-9)


@pytest.mark.parametrize("before", [[1.0, 1.0, 1.0], [1e9, 1e9, 1e9]])
def test_a_constant_explains_nothing(before: list[float]) -> None:
    """The values stay; what is no number is refused."""
    assert cuped([1.0, 2.0, 3.0], before).values == (1.0, 2.0, 3.0)
    with pytest.raises(UsageError, match="not a finite number"):
        cuped([1.0, math.nan, 3.0], before)


def test_equal_weights_are_none() -> None:
    """And a weight of two is the row twice."""
    rng = np.random.default_rng(6)
    values, day = rng.normal(size=300), np.arange(300) // 10
    plain, doubled = weighted_mean(values, np.ones(300), day), weighted_mean(values, np.full(300, 2.0), day)
    assert plain.estimate == pytest.approx(values.mean(), abs=1e-12) == pytest.approx(doubled.estimate, abs=1e-12)
    twice = np.where(np.arange(300) == 0, 2.0, 1.0)
    assert weighted_mean(values, twice, day).estimate == pytest.approx(np.append(values, values[0]).mean(), abs=1e-12)


def test_weighted_to_zero_is_said() -> None:
    """No NaN without a reason; a negative weight is refused."""
    found = weighted_mean([1.0, 2.0], [0.0, 0.0], ["a", "b"])
    assert "all weights are zero" in found.problem and math.isinf(found.high)
    with pytest.raises(UsageError, match="below zero"):
        weighted_mean([1.0, 2.0], [1.0, -1.0], ["a", "b"])


def test_strata_are_weighted_by_their_shares() -> None:
    """Cochran's mean and variance."""
    rng = np.random.default_rng(7)
    strata = {"a": rng.normal(0, 1, 40).tolist(), "b": rng.normal(5, 3, 40).tolist()}
    found = stratified_mean(strata, {"a": 3, "b": 1})
    assert found.estimate == pytest.approx(0.75 * np.mean(strata["a"]) + 0.25 * np.mean(strata["b"]), abs=1e-12)
    variance = sum((w * np.std(strata[k], ddof=1)) ** 2 / 40 for k, w in (("a", 0.75), ("b", 0.25)))
    assert 1.96 * math.sqrt(variance) < found.high - found.estimate < 1.6 * 1.96 * math.sqrt(variance)
    with pytest.raises(UsageError, match="not the same: c"):
        stratified_mean(strata, {"a": 1, "b": 1, "c": 1})


def test_unpaired_is_welch_s() -> None:
    """Degrees of freedom and all, where nothing is widened: the widened one is never narrower."""
    rng = np.random.default_rng(8)
    a, b = rng.normal(1, 1, 20), rng.normal(0, 3, 35)
    narrow = scipy_stats.ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    found = welch(a.tolist(), b.tolist())
    assert found.estimate == pytest.approx(a.mean() - b.mean(), abs=1e-12)
    assert found.low <= narrow.low and narrow.high <= found.high <= found.estimate + 1.6 * (
        narrow.high - found.estimate
    )
    assert math.isinf(welch([1.0], b.tolist()).high)
