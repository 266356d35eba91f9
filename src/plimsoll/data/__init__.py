"""Data: contracts that rows must keep, snapshots that never change, and the time at which each column is known."""

from plimsoll.data.check import CheckResult, check, enforce
from plimsoll.data.contract import ASKED_AT, Column, Contract, KnownAt, Recorded
from plimsoll.data.known import KnownFault, masked_as_of, unknown_at_question
from plimsoll.data.snapshot import Snapshots, canonical

__all__ = [
    "ASKED_AT",
    "CheckResult",
    "Column",
    "Contract",
    "KnownAt",
    "KnownFault",
    "Recorded",
    "Snapshots",
    "canonical",
    "check",
    "enforce",
    "masked_as_of",
    "unknown_at_question",
]
