"""Train functions of test capabilities, in a file of their own: a release pins the file's text."""

from typing import Any

COUNTED: list[int] = []


def counting(training: Any, params: Any) -> Any:
    """A logistic regression; each call is counted."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = training.labelled()
    COUNTED.append(len(rows))
    return make_pipeline(StandardScaler(), LogisticRegression(C=params.get("c", 1.0))).fit(rows.X, rows.y)


def imputing(training: Any, params: Any) -> Any:
    """One that takes missing values."""
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rows = training.labelled()
    return make_pipeline(SimpleImputer(), StandardScaler(), LogisticRegression()).fit(rows.X, rows.y)
