"""What ``plimsoll init`` writes: a capability that works as it is, from a small sample or from a user's own model and rows."""

from plimsoll.scaffold.own import own_plan
from plimsoll.scaffold.plan import Column, Plan
from plimsoll.scaffold.samples import sample_plan
from plimsoll.scaffold.writing import write

__all__ = ["Column", "Plan", "own_plan", "sample_plan", "write"]
