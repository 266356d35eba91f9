"""The event log: what was asked, answered and turned out, in append-only segments that survive a kill or a power cut."""

from plimsoll.store.events.log import SegmentLog

__all__ = ["SegmentLog"]
