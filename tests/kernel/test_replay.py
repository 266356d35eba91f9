"""A verdict judged again from its line, whatever version of the kernel wrote it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec

from plimsoll.kernel.explanation import explained
from plimsoll.kernel.replay import replay
from plimsoll.kernel.requirement import at_least, no_worse
from plimsoll.kernel.verdict import Block, Evidence, Policy, Ruling, identified, judge

NOW = datetime(2025, 3, 1, tzinfo=UTC)


def blocks(mean: float, n: int = 14) -> tuple[Block, ...]:
    values = [mean + 0.01 * ((7 * i) % 5 - 2) for i in range(n)]
    return tuple(Block(f"2025-02-{i + 1:02}", 100, v, v, v, -9.0) for i, v in enumerate(values))


def line() -> dict[str, Any]:
    """A gate's line as this kernel writes it: two requirements, one of them in two slices."""
    by = no_worse("log_loss", margin=0.02, than="champion", by="region")
    given = (
        Evidence(requirement=at_least("auc", 0.6), release="r", source="gate", blocks=blocks(0.7)),
        Evidence(requirement=by, release="r", source="gate", comparator="c", slice="region=n", blocks=blocks(-0.1)),
        Evidence(requirement=by, release="r", source="gate", comparator="c", slice="region=s", blocks=blocks(0.01)),
    )
    verdict = identified(judge(given, Policy(), NOW), given)
    body: dict[str, Any] = msgspec.to_builtins({"verdict": verdict, "evidence": given, "deployment": {}})
    return body


def test_a_line_of_this_kernel_replays_to_every_number() -> None:
    """The same verdict: nothing differs."""
    found = replay(line())
    assert found.same and not found.broken and found.again == found.then


def test_a_changed_number_is_broken() -> None:
    """A line that this very version wrote, and that comes out otherwise, is damage."""
    body = line()
    body["verdict"]["findings"][0]["high"] = 0.9
    found = replay(body)
    assert found.broken and {d.what for d in found.differences} == {"high"}


def test_evidence_that_was_changed_is_seen() -> None:
    """The finding names the evidence that it was judged on: another has another name."""
    body = line()
    body["evidence"][0]["blocks"][0][2] += 0.001
    assert {"evidence", "estimate"} <= {d.what for d in replay(body).differences}


def test_a_line_of_the_first_kernel_shows_what_its_split_changed() -> None:
    """It split the error over the pieces of a look, and kept neither their number nor the blocks asked for."""
    body = line()
    body["verdict"]["kernel_version"] = 1
    del body["verdict"]["minimum_blocks"], body["verdict"]["requirements"]
    body["verdict"]["findings"][0]["high"] += 0.01
    found = replay(body)
    assert not found.same and not found.broken and found.then.kernel_version == 1
    assert found.again is not None and found.again.ruling is found.then.ruling


def test_the_first_kernels_stage_is_read_off_the_rollout() -> None:
    """A look that waited for its tenth block waits in the replay too."""
    e = Evidence(
        requirement=no_worse("log_loss", margin=0.02, than="champion"),
        release="r",
        source="shadow",
        comparator="c",
        blocks=blocks(-0.5, 12),
    )
    verdict = identified(judge((e,), Policy(), NOW, minimum_blocks=15), (e,))
    plan = [{"kind": "shadow", "blocks": 15}]
    body = msgspec.to_builtins({"verdict": verdict, "evidence": (e,)})
    body["deployment"] = {"rollout": {"stage": 0, "plan": plan}}
    body["verdict"]["kernel_version"] = 1
    del body["verdict"]["minimum_blocks"]
    assert verdict.ruling is Ruling.INCONCLUSIVE and replay(body).same


def test_a_metric_that_is_gone_is_said() -> None:
    """What cannot be judged again is no crash, and not the same."""
    body = line()
    body["evidence"][0]["requirement"]["metric"] = "sharpness"
    found = replay(body)
    assert found.again is None and "sharpness" in found.problem and not found.same


def test_a_metric_of_a_users_own_replays_without_its_code() -> None:
    """Its id says that it was one; the statistics in the line are enough to judge again, and to explain."""
    own = msgspec.structs.replace(at_least("auc", 0.6), metric="gain@0123456789abcdef")
    given = (Evidence(requirement=own, release="r", source="gate", blocks=blocks(0.7)),)
    verdict = identified(judge(given, Policy(), NOW), given)
    found = replay(msgspec.to_builtins({"verdict": verdict, "evidence": given, "deployment": {}}))
    assert found.same and found.again is not None and found.again.findings[0].requirement == "gain at least 0.6"
    assert "gain is 0.6993" in explained(found.again, given)[0].says
