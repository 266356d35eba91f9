"""MEASURES. Pure statistics: metrics, intervals, anytime-valid sequences, change detection, planning.

Everything that a decision rests on is plain Python on plain floats, so that the same evidence gives the same digits
everywhere. NumPy appears only where rows are measured (``scoring``, ``resample``), and only when asked for: importing
this package costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.stats.anytime_quantile import quantile_sequence
    from plimsoll.stats.betting import rate_sequence
    from plimsoll.stats.bootstrap import block_bootstrap
    from plimsoll.stats.bounded import bounded_sequence
    from plimsoll.stats.change import Detection, mean_detector, rate_detector
    from plimsoll.stats.covariates import Adjusted, cuped
    from plimsoll.stats.dependence import inflation, lag1
    from plimsoll.stats.discordance import Discordance, mcnemar
    from plimsoll.stats.evalue import discoveries, log_mean, log_of_p, log_product, p_value
    from plimsoll.stats.interval import Interval, exact_rate, t_interval
    from plimsoll.stats.metric import Metric, Sums, row_bounds
    from plimsoll.stats.metrics import METRICS
    from plimsoll.stats.paired_auc import delong
    from plimsoll.stats.planner import blocks_needed, rate_events_needed
    from plimsoll.stats.quantiles import quantile_interval
    from plimsoll.stats.ratios import Totals, ratio_interval
    from plimsoll.stats.resample import BlockValue, jackknife_blocks
    from plimsoll.stats.sequence import mean_sequence
    from plimsoll.stats.split import split_evidence
    from plimsoll.stats.statistic import Statistic, merged, pseudo_values, statistic_of, value_of
    from plimsoll.stats.two_rates import difference_sequence, ratio_sequence
    from plimsoll.stats.unpaired import welch
    from plimsoll.stats.weighting import stratified_mean, weighted_mean


_HOMES = {
    "quantile_sequence": "anytime_quantile",
    "rate_sequence": "betting",
    "bounded_sequence": "bounded",
    "block_bootstrap": "bootstrap",
    "Adjusted": "covariates",
    "cuped": "covariates",
    "Discordance": "discordance",
    "mcnemar": "discordance",
    "delong": "paired_auc",
    "quantile_interval": "quantiles",
    "Totals": "ratios",
    "ratio_interval": "ratios",
    "welch": "unpaired",
    "stratified_mean": "weighting",
    "weighted_mean": "weighting",
    "Detection": "change",
    "mean_detector": "change",
    "rate_detector": "change",
    "inflation": "dependence",
    "lag1": "dependence",
    "discoveries": "evalue",
    "log_mean": "evalue",
    "log_of_p": "evalue",
    "log_product": "evalue",
    "p_value": "evalue",
    "Interval": "interval",
    "exact_rate": "interval",
    "t_interval": "interval",
    "METRICS": "metrics",
    "Metric": "metric",
    "Sums": "metric",
    "row_bounds": "metric",
    "blocks_needed": "planner",
    "rate_events_needed": "planner",
    "BlockValue": "resample",
    "jackknife_blocks": "resample",
    "mean_sequence": "sequence",
    "split_evidence": "split",
    "difference_sequence": "two_rates",
    "ratio_sequence": "two_rates",
    "Statistic": "statistic",
    "merged": "statistic",
    "pseudo_values": "statistic",
    "statistic_of": "statistic",
    "value_of": "statistic",
}

__all__ = [
    "METRICS",
    "Adjusted",
    "BlockValue",
    "Detection",
    "Discordance",
    "Interval",
    "Metric",
    "Statistic",
    "Sums",
    "Totals",
    "block_bootstrap",
    "blocks_needed",
    "bounded_sequence",
    "cuped",
    "delong",
    "difference_sequence",
    "discoveries",
    "exact_rate",
    "inflation",
    "jackknife_blocks",
    "lag1",
    "log_mean",
    "log_of_p",
    "log_product",
    "mcnemar",
    "mean_detector",
    "mean_sequence",
    "merged",
    "p_value",
    "pseudo_values",
    "quantile_interval",
    "quantile_sequence",
    "rate_detector",
    "rate_events_needed",
    "rate_sequence",
    "ratio_interval",
    "ratio_sequence",
    "row_bounds",
    "split_evidence",
    "statistic_of",
    "stratified_mean",
    "t_interval",
    "value_of",
    "weighted_mean",
    "welch",
]

__getattr__ = names_of(__name__, _HOMES)
