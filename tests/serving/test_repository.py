from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from plimsoll.serving.grpc.calls import host_of
from plimsoll.serving.grpc.messages import request_of

from .calling import Channel
from .conftest import live, make_yard, packed, toy
from .running import Running, running


@pytest.fixture(scope="module")
def up(tmp_path_factory: Any) -> Iterator[Running]:
    """One release live, one that may be loaded beside it, and one that differs."""
    yard = make_yard(tmp_path_factory.mktemp("repository"), toy())
    rows = [yard.release(1.0), yard.release(2.0), yard.release(3.0, golden=packed(-1.0).golden)]
    with running(yard, live(rows[0].digest), rows=rows, grpc_port=0) as made:
        made.rows = rows  # type: ignore[attr-defined]
        yield made
    yard.log.close()


@pytest.fixture(scope="module")
def channel(up: Running) -> Iterator[Channel]:
    made = Channel(up.server.grpc_address)
    yield made
    made.close()


def change(up: Running, what: str, version: str = "") -> tuple[int, Any]:
    body = {"parameters": {"version": version}} if version else None
    return up.call("POST", f"/v2/repository/models/parcel-late/{what}", body)


def indexed(up: Running) -> dict[str, str]:
    return {each["version"]: each["state"] for each in up.call("POST", "/v2/repository/index", {})[1]}


def test_a_release_is_loaded_and_let_go_by_name(up: Running) -> None:
    """Beside what the deployment needs, which stays."""
    first, second, _ = [row.digest for row in up.rows]  # type: ignore[attr-defined]
    assert change(up, "load", second) == (200, {})
    assert indexed(up) == {first: "READY", second: "READY"}
    assert change(up, "unload", second) == (200, {})
    assert indexed(up) == {first: "READY"}
    assert change(up, "load") == (200, {})


def test_what_is_needed_or_unknown_is_not_unloaded(up: Running) -> None:
    """Nor is the capability as a whole; a release that differs is not loaded."""
    first, _, third = [row.digest for row in up.rows]  # type: ignore[attr-defined]
    assert change(up, "unload", first)[0] == 403
    assert change(up, "unload")[0] == 403
    assert change(up, "unload", "0" * 64)[0] == 404
    status, said = change(up, "load", third)
    assert (status, "golden" in said["error"]) == (403, True)
    assert up.call("POST", "/v2/repository/models/parcel-lat/load")[0] == 404


def test_only_this_machine_may(up: Running) -> None:
    """A name that is not loopback's is somebody led here by a browser."""
    status, _ = up.call("POST", "/v2/repository/models/parcel-late/load", None, host="example.com")
    assert status == 403


def test_the_same_over_grpc(up: Running, channel: Channel) -> None:
    """With the name in either client's field."""
    first, second, _ = [row.digest for row in up.rows]  # type: ignore[attr-defined]
    load, unload = request_of("RepositoryModelLoad"), request_of("RepositoryModelUnload")
    request = load(model_name="parcel-late")
    request.parameters["version"].string_param = second
    assert channel.call("RepositoryModelLoad", request).isLoaded
    said = channel.call("RepositoryIndex", request_of("RepositoryIndex")(ready=True)).models
    assert {(m.name, m.version, m.state) for m in said} == {("parcel-late", d, "READY") for d in (first, second)}
    gone = unload(repository_name="parcel-late")
    gone.parameters["version"].string_param = second
    assert channel.call("RepositoryModelUnload", gone).isUnloaded
    assert channel.refused("RepositoryModelUnload", unload(model_name="parcel-late"))[0] == "PERMISSION_DENIED"
    assert channel.refused("RepositoryModelLoad", load(model_name="parcel-lat"))[0] == "NOT_FOUND"


@pytest.mark.parametrize(
    ("peer", "host"),
    [("ipv4:127.0.0.1:5", "127.0.0.1"), ("ipv6:%5B::1%5D:5", "::1"), ("unix:/tmp/s", ""), ("vsock:3:4", "vsock:3:4")],
)
def test_a_peers_address_is_read(peer: str, host: str) -> None:
    """What is none is no address of this machine's."""
    assert host_of(peer) == host
