"""Two capabilities that say back what they were asked, so that a case can name its answer to the bit."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from plimsoll.capability import Regression
from plimsoll.features import Inputs, number
from plimsoll.kernel.requirement import at_most
from serving.calling import Channel
from serving.conftest import make_yard, toy
from serving.running import Running, running

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
CASES: list[dict[str, Any]] = json.loads((HERE / "cases.json").read_text(encoding="utf-8"))


def say_back(columns: Any) -> Any:
    """weight + 10 floor + 1000 fragile + 100 letters of the depot; a missing weight is −1."""

    def of(name: str) -> Any:
        return np.asarray(columns[name], dtype=np.float64) if name in columns else 0.0

    depots = np.array([100.0 * len(d) for d in columns["depot"]]) if "depot" in columns else 0.0
    return np.nan_to_num(of("weight"), nan=-1.0) + 10.0 * of("floor") + 1000.0 * of("fragile") + depots


@dataclass(frozen=True)
class Models:
    """A server for each model of the cases; the numbers alone have one of their own."""

    servers: dict[str, Running]

    def of(self, case: dict[str, Any]) -> Running:
        return self.servers.get(case.get("model", "echo"), self.servers["echo"])


@pytest.fixture(scope="session")
def models(tmp_path_factory: Any) -> Iterator[Models]:
    regression = {"task": Regression(label="late"), "fallback": say_back, "gate": [at_most("mae", 1.0)]}
    echo = make_yard(tmp_path_factory.mktemp("echo"), toy(name="echo", **regression))
    numbers = [Inputs(number("weight"), number("floor"))]
    plain = make_yard(tmp_path_factory.mktemp("numbers"), toy(name="numbers", features=numbers, **regression))
    with running(echo, grpc_port=0) as one, running(plain, grpc_port=0) as two:
        yield Models({"echo": one, "numbers": two})
    echo.log.close()
    plain.log.close()


@pytest.fixture(scope="session")
def channels(models: Models) -> Iterator[dict[str, Channel]]:
    made = {name: Channel(up.server.grpc_address) for name, up in models.servers.items()}
    yield made
    for channel in made.values():
        channel.close()


def python_of(client: str) -> str:
    """The Python of a client's own environment, which ``make test`` builds."""
    found = ROOT / f".venv-{client}" / "bin" / "python"
    if not found.exists():
        why = f"no environment for {client}'s client: make .venv-{client}/.ready"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return str(found)


def run_client(client: str, script: str, *arguments: str, task: Any = None, **environment: str) -> str:
    """What the script says on standard output, run in the client's environment."""
    done = subprocess.run(
        [python_of(client), str(HERE / "clients" / script), *arguments],
        input=json.dumps(task),
        capture_output=True,
        text=True,
        timeout=100,
        env={"PATH": os.environ["PATH"], **environment},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def difference(case: dict[str, Any], said: dict[str, Any]) -> str:
    """How an answer differs from the case's; ``""`` if it does not."""
    if "refused" in case:
        fits = said.get("refused") == case["refused"] and case["says"] in said["says"]
        return "" if fits else f"{case['name']}: {said}"
    if "outputs" not in said:
        return f"{case['name']}: {said}"
    outputs, rows = said["outputs"], len(case["value"])
    expected = {
        "value": case["value"],
        "release": ["fallback"] * rows,
        "action": ["fallback"] * rows,
        "event_id": [],
        "reason": ["no_release"] * rows,
    }
    names = case.get("outputs", list(expected))
    fits = list(outputs) == names and all(outputs[n] == expected[n] for n in names if n != "event_id")
    fits = fits and len(set(outputs["event_id"])) == rows and ("id" not in case or said["id"] == case["id"])
    return "" if fits else f"{case['name']}: {said}"
