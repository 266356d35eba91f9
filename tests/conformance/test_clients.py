"""The golden cases through clients that we did not write, each in a process and an environment of its own."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .conftest import CASES, ROOT, Models, difference, run_client

TENSORS = {
    "inputs": [
        ["parcel", "BYTES", [-1]],
        ["weight", "FP64", [-1]],
        ["depot", "BYTES", [-1]],
        ["asked", "BYTES", [-1]],
        ["floor", "INT64", [-1]],
        ["fragile", "BOOL", [-1]],
    ],
    "outputs": [
        ["value", "FP64", [-1]],
        ["release", "BYTES", [-1]],
        ["action", "BYTES", [-1]],
        ["event_id", "BYTES", [-1]],
        ["reason", "BYTES", [-1]],
        ["says", "BYTES", [-1]],
    ],
}


def run(models: Models, client: str, script: str) -> dict[str, Any]:
    """What the client made of the cases of each model; one process a model."""
    said: dict[str, Any] = {}
    for name, up in models.servers.items():
        cases = [c for c in CASES if models.of(c) is up]
        task = {"model": name, "http": f"127.0.0.1:{up.port}", "grpc": up.server.grpc_address, "cases": cases}
        found = json.loads(run_client(client, script, task=task))
        for way, answers in found.pop("said").items():
            said.setdefault(way, {}).update(answers)
        said.setdefault("beside", {}).update(found if name == "echo" else {})
    return said


@pytest.fixture(scope="module")
def triton(models: Models) -> dict[str, Any]:
    return run(models, "triton", "triton.py")


@pytest.fixture(scope="module")
def kserve(models: Models) -> dict[str, Any]:
    return run(models, "kserve", "kserve_client.py")


def held_against_the_cases(said: dict[str, Any], way: str) -> None:
    expected = [case for case in CASES if way not in case.get("not_over", {})]
    assert len(said[way]) == len(expected)
    assert [why for case in expected if (why := difference(case, said[way][case["name"]]))] == []


@pytest.mark.parametrize("way", ["triton-http-binary", "triton-http-json", "triton-grpc"])
def test_tritonclient_gets_every_case(triton: dict[str, Any], way: str) -> None:
    """Binary tensors are what it sends unless told otherwise."""
    held_against_the_cases(triton, way)


@pytest.mark.parametrize("way", ["triton-http", "triton-grpc"])
def test_tritonclient_reads_health_and_metadata(triton: dict[str, Any], way: str) -> None:
    """The tensors with their datatypes and shapes; an unknown model is not ready."""
    looked = triton["beside"]["looks"][way]
    assert looked["live"] and looked["ready"] and looked["model_ready"]
    assert {kind: looked[kind] for kind in TENSORS} == TENSORS
    assert (looked["server"], "binary_tensor_data" in looked["extensions"]) == ("plimsoll", True)


def test_tritonclient_packs_bodies(triton: dict[str, Any]) -> None:
    """With gzip and with deflate, as its options have it."""
    assert triton["beside"]["packed"] == {"gzip": CASES[0]["value"], "deflate": CASES[0]["value"]}


@pytest.mark.parametrize("way", ["kserve-rest-binary", "kserve-rest-json", "kserve-grpc-raw", "kserve-grpc-typed"])
def test_kserve_gets_every_case(kserve: dict[str, Any], way: str) -> None:
    """Over REST and over gRPC, in both forms of each."""
    held_against_the_cases(kserve, way)


@pytest.mark.parametrize("way", ["kserve-rest", "kserve-grpc"])
def test_kserve_reads_health(kserve: dict[str, Any], way: str) -> None:
    """Server and model."""
    assert kserve["beside"]["looks"][way] == {"live": True, "ready": True, "model_ready": True}


@pytest.mark.parametrize(
    ("client", "module"),
    [("triton", "tritonclient.grpc.service_pb2"), ("kserve", "kserve.protocol.grpc.grpc_predict_v2_pb2")],
)
def test_our_messages_live_in_one_process_with_theirs(client: str, module: str) -> None:
    """The same names in two pools: neither import fails, and each reads what the other wrote."""
    assert run_client(client, "one_process.py", module, PYTHONPATH=str(ROOT / "src")) == "both\n"
