"""Features, each defined once: compiled to a timeline, joined as of the question, served as its last row."""

from plimsoll.features import windows
from plimsoll.features.columns import read_columns, text_of, times
from plimsoll.features.compilation import compile
from plimsoll.features.growth import Changes, changes, differences, grown, keeps_reach
from plimsoll.features.join import TrainingSet, training_set
from plimsoll.features.leak import Leak, leak
from plimsoll.features.online import Ages, Freshness, OnlineJoin
from plimsoll.features.request import Inputs, category, hour, number, weekday
from plimsoll.features.schema import Binding, FeatureSchema
from plimsoll.features.skew import Skew, mismatches
from plimsoll.features.source import source_digest
from plimsoll.features.timeline import Timeline
from plimsoll.features.view import Reach, View, view

__all__ = [
    "Ages",
    "Binding",
    "Changes",
    "FeatureSchema",
    "Freshness",
    "Inputs",
    "Leak",
    "OnlineJoin",
    "Reach",
    "Skew",
    "Timeline",
    "TrainingSet",
    "View",
    "category",
    "changes",
    "compile",
    "differences",
    "grown",
    "hour",
    "keeps_reach",
    "leak",
    "mismatches",
    "number",
    "read_columns",
    "source_digest",
    "text_of",
    "times",
    "training_set",
    "view",
    "weekday",
    "windows",
]
