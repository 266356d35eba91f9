"""Telling people: one JSON POST to a webhook, in the background, with a deadline. Losing one loses no decision."""

from __future__ import annotations

import json
import logging
import queue
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any

_log = logging.getLogger(__name__)
QUEUED = 256
"""Notifications that may wait; beyond it they are dropped and counted: the loop never waits for a webhook."""


class LogNotifier:
    """Writes to the process's log. For rehearsals, tests, and homes without a webhook."""

    def notify(self, kind: str, summary: str, details: Mapping[str, Any]) -> None:
        _log.info("%s: %s", kind, summary)


class Webhook:
    """The port Notifier: POSTs ``{"kind", "summary", "details"}`` to ``url``, in order, one at a time.

    ``failed`` counts what could not be delivered, ``dropped`` what found the queue full.
    """

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url, self.timeout_s = url, timeout_s
        self.sent = self.failed = self.dropped = 0
        self._waiting: queue.Queue[bytes | None] = queue.Queue(QUEUED)
        self._thread = threading.Thread(target=self._deliver, name="plimsoll-webhook", daemon=True)
        self._thread.start()

    def notify(self, kind: str, summary: str, details: Mapping[str, Any]) -> None:
        body = json.dumps({"kind": kind, "summary": summary, "details": dict(details)}, default=str).encode()
        try:
            self._waiting.put_nowait(body)
        except queue.Full:
            self.dropped += 1
            _log.error("webhook: %s waiting already, this one is dropped: %s", QUEUED, summary)

    def close(self) -> None:
        """Deliver what waits, each within its deadline, and stop."""
        self._waiting.put(None)
        self._thread.join(timeout=self.timeout_s * 2)

    def _deliver(self) -> None:
        while (body := self._waiting.get()) is not None:
            request = urllib.request.Request(self.url, body, {"content-type": "application/json"})
            try:
                with urllib.request.urlopen(request, timeout=self.timeout_s):
                    self.sent += 1
            except (urllib.error.URLError, OSError, ValueError) as error:
                self.failed += 1
                _log.error("webhook %s could not be told: %s", self.url, error)
