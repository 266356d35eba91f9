"""An online store that may be away: nobody waits for it twice, and what is done instead was declared."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Literal

from plimsoll.circuit import Breaker, Limits, State
from plimsoll.errors import Unavailable
from plimsoll.kernel.ports import OnlineFeatures, OnlineRow, OnlineView, Step
from plimsoll.store.online.memory import Row

WhenAway = Literal["fallback", "missing"]
FAILURES = 3
"""After so many calls in a row that failed, nobody asks for a while."""
OPEN_S = 1.0
"""How long nobody asks; then one call tries, and the others go on without."""


class GuardedOnline:
    """The port ``OnlineFeatures`` over another adapter of it, for the answers that wait for its rows.

    Reads that fail ``FAILURES`` times in a row open the circuit: for ``OPEN_S`` every read fails at once, then one
    tries. ``when_away``: ``"fallback"`` raises Unavailable (the release's answer is an error, and its fallback
    answers), ``"missing"`` gives no row (its features are NaN). ``away`` counts the reads that got neither row nor
    none.
    """

    def __init__(
        self,
        online: OnlineFeatures,
        *,
        when_away: WhenAway = "fallback",
        open_s: float = OPEN_S,
        now_s: Callable[[], float] = time.monotonic,
    ) -> None:
        self._online = online
        self._missing = when_away == "missing"
        self._open_s = open_s
        self._circuit = Breaker(now_s, Limits(failures=FAILURES, rest_s=open_s, most_rest_s=open_s))
        self._why = ""
        self.away = 0

    @property
    def far(self) -> bool:
        return self._online.far

    @property
    def problem(self) -> str:
        """Why nobody asks at the moment; ``""`` while all is well."""
        return "" if self._circuit.state == "closed" else self._why

    @property
    def circuit(self) -> State:
        """The state of its circuit."""
        return self._circuit.state

    def get(self, view: str, entity: str, as_of_us: int | None = None) -> Row | None:
        if self._circuit.troubled and not self._circuit.allows():
            self._refuse(view)
            return None
        try:
            row = self._online.get(view, entity, as_of_us)
        except Unavailable as error:
            self._failed(error)
            return None
        if self._circuit.troubled:
            self._circuit.succeeded()
        return row

    def get_many(self, view: str, entities: Sequence[str], as_of_us: Sequence[int] | None = None) -> list[Row | None]:
        if self._circuit.troubled and not self._circuit.allows():
            self._refuse(view)
            return [None] * len(entities)
        try:
            rows = self._online.get_many(view, entities, as_of_us)
        except Unavailable as error:
            self._failed(error)
            return [None] * len(entities)
        if self._circuit.troubled:
            self._circuit.succeeded()
        return rows

    def _failed(self, error: Unavailable) -> None:
        self.away += 1
        self._why = error.message
        self._circuit.failed()
        if not self._missing:
            raise error

    def _refuse(self, view: str) -> None:
        self.away += 1
        if not self._missing:
            raise Unavailable(
                f"the online rows of {view} are away: {self._why}", hint="is the store up?", retry_after_s=self._open_s
            )

    # ── as it is ─────────────────────────────────────────────────────────────────────────────────────────────────

    def apply(self, view: str, rows: Iterable[OnlineRow], *, step: Step | None = None) -> int:
        return self._online.apply(view, rows, step=step)

    def correct(
        self, view: str, rows: Iterable[OnlineRow], *, gone: Iterable[str] = (), step: Step | None = None
    ) -> int:
        return self._online.correct(view, rows, gone=gone, step=step)

    def replace(self, view: str, rows: Iterable[OnlineRow], *, mark: str = "") -> int:
        return self._online.replace(view, rows, mark=mark)

    def mark(self, view: str) -> str | None:
        return self._online.mark(view)

    def rows(self, view: str) -> Iterator[OnlineRow]:
        return self._online.rows(view)

    def views(self) -> Sequence[OnlineView]:
        return self._online.views()

    def forget(self, view: str) -> None:
        self._online.forget(view)

    def repairs(self) -> Sequence[str]:
        return self._online.repairs()

    def close(self) -> None:
        self._online.close()
