"""One exposition of many workers."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families as families

from plimsoll.serving.gathering import GONE_AFTER_S, Gathered, merged

ONE = b"""# HELP asked_total Questions
# TYPE asked_total counter
asked_total{role="li}ve"} 3.0
asked_total{role="canary"} 1.0
# HELP up Is it
# TYPE up gauge
up 1.0
"""


def test_samples_of_a_family_stay_together_under_one_head() -> None:
    """As the format asks; each sample says whose it is, whatever its other labels hold."""
    text = merged({"a": ONE, "b": ONE}).decode()
    assert text.count("# TYPE asked_total counter") == text.count("# HELP up Is it") == 1
    found = {f.name: {(s.labels["worker"], s.labels.get("role")): s.value for s in f.samples} for f in families(text)}
    assert found["up"] == {("a", None): 1.0, ("b", None): 1.0}
    assert found["asked"][("b", "li}ve")] == 3.0 and len(found["asked"]) == 4


class Counted:
    """A counter of one worker."""

    def __init__(self) -> None:
        self.n = 0

    def __call__(self) -> bytes:
        return f"n {self.n}\n".encode()


def test_whoever_is_asked_no_counter_is_seen_to_go_back(tmp_path: Path) -> None:
    """The first is asked, then the second, which knows the first only by what it left: that is as new."""
    counted = Counted()
    first, second = Gathered(tmp_path, counted, worker="1"), Gathered(tmp_path, Counted(), worker="2")
    first.leave()
    counted.n = 7
    assert first.text().decode().splitlines() == ['n{worker="1"} 7']
    assert second.text().decode().splitlines() == ['n{worker="1"} 7', 'n{worker="2"} 0']
    first.take_away()
    assert b'worker="1"' not in second.text()


def test_what_nobody_renews_is_forgotten(tmp_path: Path) -> None:
    """A killed worker's counts go with it; its file too."""
    Gathered(tmp_path, Counted(), worker="dead").leave()
    written_s = (tmp_path / "dead.prom").stat().st_mtime
    late = Gathered(tmp_path, Counted(), worker="1", now_s=lambda: written_s + GONE_AFTER_S + 1)
    assert b"dead" not in late.text() and not list(tmp_path.glob("dead*"))
