"""What a ruling is called where a release's verdict is shown, and what is shown first."""

from __future__ import annotations

from plimsoll.kernel.verdict import Ruling

HEADLINES = {
    Ruling.PASS: "Passes its gate",
    Ruling.FAIL: "Refused",
    Ruling.INCONCLUSIVE: "Not decided: more evidence is needed",
    Ruling.INVALID: "Invalid: the evidence cannot be used",
}
ORDER = (Ruling.FAIL, Ruling.INVALID, Ruling.INCONCLUSIVE, Ruling.PASS)
"""What stands in the way on top."""
