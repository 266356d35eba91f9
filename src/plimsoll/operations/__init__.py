"""OPERATIONS: building and judging releases, the loop that watches them, and the rehearsal of both.

Names are imported when they are first used: the loop of a serving process loads no trainer.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.operations.collecting import collect_garbage
    from plimsoll.operations.duty import Duty
    from plimsoll.operations.loop import Loop
    from plimsoll.operations.rehearsing import Stage, VirtualClock, rehearse
    from plimsoll.operations.reproducing import Remade, reproduce
    from plimsoll.operations.shipping import Shipped, ship
    from plimsoll.operations.standing.document import Names, standing_of, waiting_for
    from plimsoll.operations.standing.page import status_page
    from plimsoll.operations.story.account import Told
    from plimsoll.operations.story.document import Story, outcome
    from plimsoll.operations.story.page import story_page
    from plimsoll.operations.story.wording import ROUTINE
    from plimsoll.operations.world import Candidate, FeedFault, Rehearsal, Retraining
    from plimsoll.operations.yard import Yard

__all__ = [
    "ROUTINE",
    "Candidate",
    "Duty",
    "FeedFault",
    "Loop",
    "Names",
    "Rehearsal",
    "Remade",
    "Retraining",
    "Shipped",
    "Stage",
    "Story",
    "Told",
    "VirtualClock",
    "Yard",
    "collect_garbage",
    "outcome",
    "rehearse",
    "reproduce",
    "ship",
    "standing_of",
    "status_page",
    "story_page",
    "waiting_for",
]

_HOMES = {
    "ROUTINE": "story.wording",
    "Candidate": "world",
    "Duty": "duty",
    "FeedFault": "world",
    "Loop": "loop",
    "Names": "standing.document",
    "Rehearsal": "world",
    "Remade": "reproducing",
    "Retraining": "world",
    "Shipped": "shipping",
    "Stage": "rehearsing",
    "Story": "story.document",
    "Told": "story.account",
    "VirtualClock": "rehearsing",
    "Yard": "yard",
    "collect_garbage": "collecting",
    "outcome": "story.document",
    "rehearse": "rehearsing",
    "reproduce": "reproducing",
    "ship": "shipping",
    "standing_of": "standing.document",
    "status_page": "standing.page",
    "story_page": "story.page",
    "waiting_for": "standing.document",
}

__getattr__ = names_of(__name__, _HOMES)
