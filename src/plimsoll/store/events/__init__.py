"""The event log: what was asked, answered and turned out, in append-only segments that survive a kill or a power cut."""

from plimsoll.store.events.log import SegmentLog
from plimsoll.store.events.query import EventQuery, open_query
from plimsoll.store.events.retention import Retention
from plimsoll.store.events.segments import has_sealed

__all__ = ["EventQuery", "Retention", "SegmentLog", "has_sealed", "open_query"]
