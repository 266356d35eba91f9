"""The same capability, as it is trained after somebody changed the code."""

from typing import Any


def changed(training: Any, params: Any) -> Any:
    """Nearly no learning."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = training.labelled()
    return make_pipeline(StandardScaler(), LogisticRegression(C=1e-4)).fit(rows.X, rows.y)
