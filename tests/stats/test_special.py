"""Special functions against SciPy, over the ranges that intervals use."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special as sp
from scipy import stats as ss

from plimsoll.errors import UsageError
from plimsoll.stats.special import beta_cdf, beta_quantile, log_beta, normal_quantile, t_quantile

shape = st.floats(0.5, 1e6)
inside = st.floats(1e-6, 1 - 1e-6)


@given(a=shape, b=shape)
def test_log_beta_is_scipys(a: float, b: float) -> None:
    """ln B(a, b) has SciPy's digits, for small and for huge parameters."""
    assert log_beta(a, b) == pytest.approx(float(sp.betaln(a, b)), rel=1e-9, abs=1e-9)


@given(a=st.floats(0.5, 1e4), b=st.floats(0.5, 1e4), x=inside)
def test_beta_cdf_is_scipys(a: float, b: float, x: float) -> None:
    """The incomplete beta function agrees to 1e-9."""
    assert beta_cdf(x, a, b) == pytest.approx(float(sp.betainc(a, b, x)), rel=1e-9, abs=1e-12)


@settings(max_examples=60)
@given(hits=st.integers(0, 1000), misses=st.integers(0, 1_000_000), p=st.sampled_from([1e-4, 0.0125, 0.05, 0.5, 0.975]))
def test_beta_quantile_is_scipys_for_counts(hits: int, misses: int, p: float) -> None:
    """The quantiles that exact rates are made of agree to 1e-9, for rates down to one in a million."""
    expected = float(ss.beta.ppf(p, hits + 1, misses + 1))
    assert beta_quantile(p, hits + 1, misses + 1) == pytest.approx(expected, rel=1e-9)


@settings(max_examples=60)
@given(a=st.floats(0.5, 300), b=st.floats(0.5, 300), p=st.floats(1e-5, 1 - 1e-5))
def test_beta_quantile_undoes_the_cdf(a: float, b: float, p: float) -> None:
    """I_x(a, b) at the quantile of p is p again."""
    x = beta_quantile(p, a, b)
    if 1e-12 < x < 1 - 1e-12:
        assert beta_cdf(x, a, b) == pytest.approx(p, rel=1e-9, abs=1e-11)


@settings(max_examples=80)
@given(p=st.floats(1e-6, 1 - 1e-6), df=st.integers(1, 400))
def test_t_quantile_is_scipys(p: float, df: int) -> None:
    """Student's quantile agrees to 1e-9, in both tails and near the middle."""
    assert t_quantile(p, df) == pytest.approx(float(ss.t.ppf(p, df)), rel=1e-9, abs=1e-9)


def test_normal_quantile_is_scipys() -> None:
    """The normal quantile agrees far into the tail."""
    for p in (1e-12, 0.001, 0.2, 0.5, 0.8, 0.99999):
        assert normal_quantile(p) == pytest.approx(float(ss.norm.ppf(p)), rel=1e-12, abs=1e-15)


def test_ends_of_the_range_are_exact() -> None:
    """Probabilities 0 and 1 have their ends, not an overflow."""
    assert (beta_quantile(0.0, 2, 3), beta_quantile(1.0, 2, 3)) == (0.0, 1.0)
    assert (beta_cdf(0.0, 2, 3), beta_cdf(1.0, 2, 3)) == (0.0, 1.0)
    assert math.isfinite(t_quantile(1e-12, 3))


@pytest.mark.parametrize(("p", "df"), [(0.0, 5), (1.0, 5), (0.5, 0), (math.nan, 5)])
def test_impossible_questions_are_refused(p: float, df: float) -> None:
    """A quantile outside (0, 1), or without degrees of freedom, is the caller's mistake."""
    with pytest.raises(UsageError):
        t_quantile(p, df)
