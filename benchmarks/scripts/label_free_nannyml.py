"""NannyML's confidence-based estimates, for the rows of a Parquet file: metric by metric, and day by day on the flights.

Arguments: a file with columns score, chance (agreement), and one with score, label, at, part (flights).
"""

import json
import sys

import nannyml as nml
import pandas as pd
from nannyml.performance_estimation.confidence_based import metrics as m

agreement = pd.read_parquet(sys.argv[1])
called = (agreement.score >= 0.5).astype(int)
values = {
    "accuracy": m.estimate_accuracy(called, agreement.chance),
    "f1": m.estimate_f1(called, agreement.chance),
    "precision": m.estimate_precision(called, agreement.chance),
    "recall": m.estimate_recall(called, agreement.chance),
    "specificity": m.estimate_specificity(called, agreement.chance),
    "auc": m.estimate_roc_auc(agreement.chance, agreement.score),
}

flights = pd.read_parquet(sys.argv[2])
flights["called"] = (flights.score >= 0.5).astype(int)
estimator = nml.CBPE(
    problem_type="classification_binary",
    y_true="label",
    y_pred="called",
    y_pred_proba="score",
    timestamp_column_name="at",
    chunk_period="D",
    metrics=["accuracy"],
)
estimator.fit(flights[flights.part == "reference"].drop(columns="part"))
found = estimator.estimate(flights[flights.part == "analysis"].drop(columns="part")).filter(period="analysis").to_df()
days = [
    {
        "day": str(key)[:10],
        "expected": float(e),
        "low": float(low),
        "high": float(high),
    }
    for key, e, low, high in zip(
        found["chunk"]["start_date"],
        found["accuracy"]["value"],
        found["accuracy"]["lower_confidence_boundary"],
        found["accuracy"]["upper_confidence_boundary"],
        strict=True,
    )
]
print(json.dumps({"values": {k: float(v) for k, v in values.items()}, "days": days}))
