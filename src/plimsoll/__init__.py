"""Plimsoll: an AI feature ships only on evidence, and comes back by itself when the evidence stops holding.

What a capability file needs is here; it is imported when it is used, so that ``import plimsoll`` costs nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

__version__ = "0.1.0"

_MODULES = {
    "capability": (
        "Answer",
        "BinaryClassification",
        "Caching",
        "Capability",
        "MulticlassClassification",
        "Ranking",
        "Regression",
        "Source",
        "Split",
        "Table",
    ),
    "features": ("Inputs", "View", "category", "hour", "number", "view", "weekday"),
    "own_metric": ("metric",),
    "outcome_metric": ("outcome_mean", "outcome_rate", "outcome_ratio"),
    "kernel.promise": ("ErrorAmongAnswered", "WrongPerRequest"),
    "kernel.requirement": ("at_least", "at_most", "better", "equivalent", "no_worse"),
    "kernel.rollout": ("Canary", "Live", "Shadow"),
    "kernel.verdict": ("Policy",),
    "suite": ("directional", "golden", "invariance", "minimum", "tolerates", "trusted"),
    "client": ("AsyncClient", "Client"),
}
_HOME = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Answer",
    "AsyncClient",
    "BinaryClassification",
    "Caching",
    "Canary",
    "Capability",
    "Client",
    "ErrorAmongAnswered",
    "Inputs",
    "Live",
    "MulticlassClassification",
    "Policy",
    "Ranking",
    "Regression",
    "Shadow",
    "Source",
    "Split",
    "Table",
    "View",
    "WrongPerRequest",
    "__version__",
    "at_least",
    "at_most",
    "better",
    "category",
    "directional",
    "equivalent",
    "golden",
    "hour",
    "invariance",
    "metric",
    "minimum",
    "no_worse",
    "number",
    "outcome_mean",
    "outcome_rate",
    "outcome_ratio",
    "tolerates",
    "trusted",
    "view",
    "weekday",
]

if TYPE_CHECKING:
    from plimsoll.capability import (
        Answer,
        BinaryClassification,
        Caching,
        Capability,
        MulticlassClassification,
        Ranking,
        Regression,
        Source,
        Split,
        Table,
    )
    from plimsoll.client import AsyncClient, Client
    from plimsoll.features import Inputs, View, category, hour, number, view, weekday
    from plimsoll.kernel.promise import ErrorAmongAnswered, WrongPerRequest
    from plimsoll.kernel.requirement import at_least, at_most, better, equivalent, no_worse
    from plimsoll.kernel.rollout import Canary, Live, Shadow
    from plimsoll.kernel.verdict import Policy
    from plimsoll.outcome_metric import outcome_mean, outcome_rate, outcome_ratio
    from plimsoll.own_metric import metric
    from plimsoll.suite import directional, golden, invariance, minimum, tolerates, trusted

__getattr__ = names_of(__name__, _HOME)
