"""Features of a batch of events, computed once for all the releases that see the same ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from plimsoll.kernel.records import Event
from plimsoll.serving.batch import of_events
from plimsoll.serving.replica import Loaded, Matrix


class SharedRows:
    """Rows by feature schema. Where the served release has the same schema, they are the rows it was served from."""

    def __init__(self, events: Sequence[Event]) -> None:
        self.batch = of_events(events)
        self._served = [event.served for event in events]
        self._known: dict[str, Matrix | None] = {}

    def of(self, loaded: Loaded, fleet: Mapping[str, Loaded], picked: Sequence[int]) -> Matrix | None:
        """The rows of the picked events for ``loaded``, or None where it must look for itself."""
        key = loaded.schema_key
        if not key:
            return None
        if key not in self._known:
            self._known[key] = self._matrix(loaded, fleet)
        matrix = self._known[key]
        if matrix is None or len(picked) == len(self.batch):
            return matrix
        taken: Matrix = matrix.take(picked, axis=0)
        return taken

    def _matrix(self, loaded: Loaded, fleet: Mapping[str, Loaded]) -> Matrix | None:
        same = [
            i
            for i, said in enumerate(self._served)
            if said.features and said.release in fleet and fleet[said.release].schema_key == loaded.schema_key
        ]
        others = sorted(set(range(len(self.batch))) - set(same))
        if not same:
            return self._looked_up(loaded)
        width = len(self._served[same[0]].features) // 4
        matrix = np.empty((len(self.batch), width), dtype=np.float32)
        packed = b"".join(self._served[i].features for i in same)
        matrix[same] = np.frombuffer(packed, dtype="<f4").reshape(len(same), width)
        if others:
            looked_up = self._looked_up(loaded, others)
            if looked_up is None:
                return None
            matrix[others] = looked_up
        return matrix

    def _looked_up(self, loaded: Loaded, rows: Sequence[int] | None = None) -> Matrix | None:
        batch = self.batch if rows is None else self.batch.take(rows)
        try:
            seen: Matrix = loaded.see(batch)
        except Exception:  # noqa: BLE001 - not silent: asked again one by one, where the error is kept as an answer
            return None
        return seen
