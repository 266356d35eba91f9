"""The tally's rules, one record after the other: slow, and plain enough to be believed."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from plimsoll.kernel.promise import ENDS
from plimsoll.kernel.records import Answer, Beside, Event, Outcome, Record
from plimsoll.operations.hours import hour_of


class OneByOne:
    """What a tally with the slice ``column`` comes to."""

    def __init__(self, *, maturity: timedelta, limit_ms: float, column: str) -> None:
        self.maturity, self.limit_ms, self.column = maturity, limit_ms, column
        self.counts: Counter[str] = Counter()
        self.served: Counter[str] = Counter()
        self.hours: dict[tuple[str, str], dict[str, list[int]]] = defaultdict(dict)
        self.open: dict[str, dict[str, Any]] = {}
        self.shut: dict[str, dict[str, Any]] = {}
        self.rows: dict[str, tuple[str, int]] = {}

    def read(self, records: Iterable[Record]) -> None:
        for record in records:
            match record:
                case Event():
                    self._event(record)
                case Beside():
                    self._beside(record)
                case Outcome():
                    self._outcome(record)

    def _event(self, event: Event) -> None:
        hour, release = hour_of(event.at), event.served.release
        self.counts["events"] += 1
        self.served["fallback" if event.action == "fallback" else release] += 1
        self._hit(release, "abstention_rate", hour, event.action in ENDS)
        self._hit(release, "fallback_rate", hour, event.action == "fallback")
        if not event.cached:
            self._answered(event.served, hour)
        if event.block in self.shut:
            self.counts["stragglers"] += 1
            return
        block = self.open.setdefault(
            event.block,
            {
                "first": event.at,
                "last": event.at,
                "hour": "",
                "label": [],
                "slice": [],
                "shown": [],
                "paid": [],
                "scores": {},
            },
        )
        block["last"] = max(block["last"], event.at)
        self.rows[event.id] = event.block, len(block["label"])
        self._say(block, len(block["label"]), event.served)
        block["hour"] = hour
        block["label"].append(math.nan)
        block["paid"].append(math.nan)
        block["shown"].append((release, event.cost_usd))
        block["slice"].append(str(event.inputs.get(self.column)))

    def _beside(self, record: Beside) -> None:
        if (found := self._row(record.event)) is not None:
            block, row = found
            for answer in record.answers:
                self._say(block, row, answer)
                self._answered(answer, block["hour"])

    def _outcome(self, outcome: Outcome) -> None:
        if (found := self._row(outcome.event)) is None:
            return
        block, row = found
        if not math.isnan(block["label"][row]):
            self.counts["duplicates"] += 1
        elif outcome.at - block["last"] >= self.maturity:
            self.counts["late"] += 1
        else:
            block["label"][row] = outcome.label
            block["paid"][row] = outcome.values.get("paid", math.nan)
            self.counts["outcomes"] += 1

    def _row(self, event: str) -> tuple[dict[str, Any], int] | None:
        name, row = self.rows.get(event, ("", 0))
        if name not in self.open:
            self.counts["unknown"] += 1
            return None
        return self.open[name], row

    def _say(self, block: dict[str, Any], row: int, answer: Answer) -> None:
        if answer.score is not None:
            block["scores"].setdefault(answer.release, {})[row] = answer.score

    def _answered(self, answer: Answer, hour: str) -> None:
        self._hit(answer.release, "error_rate", hour, bool(answer.error))
        self._hit(answer.release, f">{self.limit_ms:g}ms", hour, answer.latency_ms > self.limit_ms)

    def _hit(self, release: str, what: str, hour: str, hit: bool) -> None:
        bucket = self.hours[release, what].setdefault(hour, [0, 0])
        bucket[0] += hit
        bucket[1] += 1

    def close(self, now: datetime) -> list[str]:
        """The blocks that are over and labelled, or too old for labels, in order."""
        names = sorted(self.open, key=lambda name: (self.open[name]["first"], name))
        for i, name in enumerate(names):
            block = self.open[name]
            over = i + 1 < len(names) or now - block["last"] > timedelta(hours=24)
            mature = not any(map(math.isnan, block["label"])) or now - block["last"] >= self.maturity
            if not (over and mature):
                return names[:i]
            self.shut[name] = self.open.pop(name)
        return names
