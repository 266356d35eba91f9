"""`plimsoll up`, as a process: it serves, watches, and ends when it is told to."""

import json
import signal
import subprocess
import sys
import urllib.request

from plimsoll.scaffold import sample_plan, write


def test_a_released_capability_is_served_until_sigterm(run, tmp_path):
    """The server says where it is, answers a question, the loop starts the rollout, and SIGTERM ends both with 0."""
    folder = tmp_path / "mine"
    write(sample_plan("mine", "binary"), folder)
    assert run("release", folder, "--home", folder / ".plimsoll").code == 0
    command = [sys.executable, "-m", "plimsoll.cli", "up", "--port", "0", "--json"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        said = next(json.loads(line)["said"] for line in process.stdout if "http://" in line)
        question = {"order_id": "o1", "channel": "web", "price_eur": 30.0, "items": 2}
        body = {"inputs": question}
        url = said[said.index("http://") :]
        request = urllib.request.Request(f"{url}/v1/capabilities/mine/ask", json.dumps(body).encode())
        request.add_header("content-type", "application/json")
        with urllib.request.urlopen(request, timeout=10) as response:
            assert json.load(response)["release"] == "fallback"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0
    assert (
        run("status", "--home", folder / ".plimsoll", "--json").document["capabilities"][0]["rollout"]["stage"]
        == "shadow"
    )


def test_a_taken_port_is_said(run, tmp_path):
    """Port in use: which one, and what to do; no traceback."""
    import socket

    write(sample_plan("mine", "binary"), tmp_path / "mine")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        ran = run("up", tmp_path / "mine", "--port", str(taken.getsockname()[1]))
    assert ran.code in (2, 3) and "port" in ran.err.lower()


def test_grpc_is_said_beside_http(run, tmp_path):
    """Where `grpc_port` is set, its address follows, as a client's channel takes it."""
    import socket

    import grpc

    folder = tmp_path / "mine"
    write(sample_plan("mine", "binary"), folder)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "plimsoll.toml").write_text(f"[server]\nport = 0\ngrpc_port = {port}\n")
    command = [sys.executable, "-m", "plimsoll.cli", "up", "--json"]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        said = next(json.loads(line)["said"] for line in process.stdout if "gRPC" in line)
        assert said == f"mine is served over gRPC at 127.0.0.1:{port}"
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            live = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")(
                b"", timeout=20, wait_for_ready=True
            )
        assert live == b"\x08\x01"
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_two_capabilities_are_served_at_one_address(run, tmp_path):
    """A folder that holds them stands for both; each is said, asked by its name, and watched by a loop of its own."""
    for name, task in (("mine", "binary"), ("yours", "multiclass")):
        write(sample_plan(name, task), tmp_path / "shop" / name)
        assert run("release", tmp_path / "shop" / name, "--home", tmp_path / "home").code == 0
    command = [sys.executable, "-m", "plimsoll.cli", "up", str(tmp_path / "shop"), "--port", "0", "--json"]
    command += ["--home", str(tmp_path / "home")]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    try:
        lines = (json.loads(line)["said"] for line in process.stdout)
        said = [next(line for line in lines if "http://" in line) for _ in range(2)]
        assert [line.partition(" is served at ")[0] for line in said] == ["mine", "yours"]
        started = {next(line for line in lines if "shadow" in line).partition(":")[0] for _ in range(2)}
        assert started == {"mine", "yours"}
        url = said[0][said[0].index("http://") :]
        for name in ("mine", "yours"):
            with urllib.request.urlopen(f"{url}/v2/models/{name}/ready", timeout=10) as response:
                assert json.load(response) == {"name": name, "ready": True}
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=20)
    assert process.returncode == 0


def test_capabilities_of_two_homes_or_one_name_are_refused(run, tmp_path):
    """One process serves one home, and a name is one capability's; a folder with none is said as it is."""
    for name in ("mine", "yours"):
        write(sample_plan(name, "binary"), tmp_path / name)
    ran = run("up", tmp_path / "mine", tmp_path / "yours", "--port", "0")
    assert ran.code == 2 and "yours keeps its state in" in ran.err and "PLIMSOLL_HOME" in ran.err
    write(sample_plan("mine", "binary"), tmp_path / "again")
    ran = run("up", tmp_path / "mine", tmp_path / "again", "--port", "0")
    assert ran.code == 2 and "two capabilities are named 'mine'" in ran.err
    (tmp_path / "empty").mkdir()
    assert "there is no capability.py in" in run("up", tmp_path / "empty").err
