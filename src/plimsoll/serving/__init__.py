"""SERVING: the request's way, from a caller's columns to a recorded answer, and the edges it comes in through.

One core (route → features → engine → answer policy → record) serves requests and rehearsals alike; only the edge
and the clock differ. Names are imported when they are first used: a rehearsal loads no web server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.serving.admission.metrics import AdmissionMetrics
    from plimsoll.serving.admission.opening import open_admission
    from plimsoll.serving.answering import Timeouts, reason
    from plimsoll.serving.batch import Batch, Turn
    from plimsoll.serving.caching.metrics import CacheMetrics
    from plimsoll.serving.caching.opening import open_cache
    from plimsoll.serving.certificates import Certificates
    from plimsoll.serving.cost import Prices
    from plimsoll.serving.counter import Counter
    from plimsoll.serving.drill import Drill
    from plimsoll.serving.form import Form
    from plimsoll.serving.hold import Hold
    from plimsoll.serving.house import House, ServerSettings
    from plimsoll.serving.ids import SeededIds, random_id
    from plimsoll.serving.logs import RequestLog, configure_logs
    from plimsoll.serving.outcomes import Counts, OutcomeInbox
    from plimsoll.serving.pipeline import Pipeline
    from plimsoll.serving.policy import UNSURE, Thresholds, why_of
    from plimsoll.serving.questions import QuestionMaker
    from plimsoll.serving.recording import Recording
    from plimsoll.serving.replica import Fleet, needed
    from plimsoll.serving.reply import Reply
    from plimsoll.serving.route import beside_role, position, served_role, target
    from plimsoll.serving.server import Pulse, Server
    from plimsoll.serving.standing_in import StandIns
    from plimsoll.serving.timing import Timing, VirtualTiming, WallTiming
    from plimsoll.serving.tracing import open_tracer

__all__ = [
    "UNSURE",
    "AdmissionMetrics",
    "Batch",
    "CacheMetrics",
    "Certificates",
    "Counter",
    "Counts",
    "Drill",
    "Fleet",
    "Form",
    "Hold",
    "House",
    "OutcomeInbox",
    "Pipeline",
    "Prices",
    "Pulse",
    "QuestionMaker",
    "Recording",
    "Reply",
    "RequestLog",
    "SeededIds",
    "Server",
    "ServerSettings",
    "StandIns",
    "Thresholds",
    "Timeouts",
    "Timing",
    "Turn",
    "VirtualTiming",
    "WallTiming",
    "beside_role",
    "configure_logs",
    "needed",
    "open_admission",
    "open_cache",
    "open_tracer",
    "position",
    "random_id",
    "reason",
    "served_role",
    "target",
    "why_of",
]

_HOMES = {
    "AdmissionMetrics": "admission.metrics",
    "StandIns": "standing_in",
    "Thresholds": "policy",
    "UNSURE": "policy",
    "why_of": "policy",
    "Turn": "batch",
    "Batch": "batch",
    "CacheMetrics": "caching.metrics",
    "Certificates": "certificates",
    "Counter": "counter",
    "Counts": "outcomes",
    "Drill": "drill",
    "Fleet": "replica",
    "Form": "form",
    "Hold": "hold",
    "House": "house",
    "OutcomeInbox": "outcomes",
    "Pipeline": "pipeline",
    "Prices": "cost",
    "Pulse": "server",
    "QuestionMaker": "questions",
    "Recording": "recording",
    "Reply": "reply",
    "RequestLog": "logs",
    "SeededIds": "ids",
    "Server": "server",
    "ServerSettings": "house",
    "Timeouts": "answering",
    "Timing": "timing",
    "VirtualTiming": "timing",
    "WallTiming": "timing",
    "configure_logs": "logs",
    "needed": "replica",
    "open_admission": "admission.opening",
    "open_cache": "caching.opening",
    "open_tracer": "tracing",
    "beside_role": "route",
    "position": "route",
    "served_role": "route",
    "random_id": "ids",
    "reason": "answering",
    "target": "route",
}

__getattr__ = names_of(__name__, _HOMES)
