"""What an answer costs: the processor's time that it took, at a declared price.

A turn's CPU time is shared equally by its questions. What a server spends beside answering (parsing, recording, the
loop) is in no turn; ``plimsoll_cost_usd_total`` has the whole process, so that cost per 1,000 inferences leaves
nothing out.
"""

from __future__ import annotations

from typing import NamedTuple


class Prices(NamedTuple):
    """What a second costs. 0 is unknown: then nothing is measured. ``gpu_second_usd`` is paid for as long as the
    process lives, since nobody else can use its GPU meanwhile: leave it at 0 where it has none."""

    core_second_usd: float = 0.0
    gpu_second_usd: float = 0.0

    @property
    def known(self) -> bool:
        return self.core_second_usd > 0.0 or self.gpu_second_usd > 0.0

    def each_usd(self, *, cpu_s: float, questions: int) -> float:
        """The cost of each of a turn's ``questions``, to a billionth of a dollar: an event is no place for noise."""
        return round(cpu_s * self.core_second_usd / max(1, questions), 9)

    def process_usd(self, *, cpu_s: float, lived_s: float) -> float:
        """What a process has cost that used the processor for ``cpu_s`` and held a GPU for ``lived_s``."""
        return cpu_s * self.core_second_usd + lived_s * self.gpu_second_usd
