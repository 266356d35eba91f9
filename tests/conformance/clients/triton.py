"""The cases through tritonclient: HTTP with binary and with JSON tensors, and gRPC."""

import gevent.ssl  # noqa: F401 - tritonclient.http's own import order: before anything that opens a socket
import tritonclient.grpc as over_grpc
import tritonclient.http as over_http
from arrays import array, cases_over, given, plain, say
from tritonclient.utils import InferenceServerException

KINDS = {
    "400": "invalid",
    "404": "not_found",
    "StatusCode.INVALID_ARGUMENT": "invalid",
    "StatusCode.NOT_FOUND": "not_found",
}


def ask(client, api, case, **binary):
    tensors = []
    for tensor in case["inputs"]:
        made = api.InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
        made.set_data_from_numpy(array(tensor), **binary)
        tensors.append(made)
    outputs = [api.InferRequestedOutput(name, **binary) for name in case.get("outputs", [])] or None
    if binary.get("binary_data") is False and outputs is None:
        names = ("value", "release", "action", "event_id", "reason")
        outputs = [api.InferRequestedOutput(n, **binary) for n in names]
    try:
        said = client.infer(case.get("model", "echo"), tensors, outputs=outputs, request_id=case.get("id", ""))
    except InferenceServerException as error:
        return {"refused": KINDS.get(error.status(), error.status()), "says": error.message()}
    response = said.get_response()
    described = response["outputs"] if isinstance(response, dict) else response.outputs
    names = [o["name"] if isinstance(o, dict) else o.name for o in described]
    id = response.get("id", "") if isinstance(response, dict) else response.id
    return {"outputs": {name: plain(said.as_numpy(name)) for name in names}, "id": id}


def look(client, name, model, server):
    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(name),
        "inputs": [[t["name"], t["datatype"], [int(n) for n in t["shape"]]] for t in model["inputs"]],
        "outputs": [[t["name"], t["datatype"], [int(n) for n in t["shape"]]] for t in model["outputs"]],
        "server": server["name"],
        "extensions": list(server["extensions"]),
    }


task = given()
name = task["model"]
http = over_http.InferenceServerClient(task["http"])
grpc = over_grpc.InferenceServerClient(task["grpc"])
said = {
    "triton-http-binary": {
        c["name"]: ask(http, over_http, c, binary_data=True) for c in cases_over(task, "triton-http-binary")
    },
    "triton-http-json": {
        c["name"]: ask(http, over_http, c, binary_data=False) for c in cases_over(task, "triton-http-json")
    },
    "triton-grpc": {c["name"]: ask(grpc, over_grpc, c) for c in cases_over(task, "triton-grpc")},
}
looks = {
    "triton-http": look(http, name, http.get_model_metadata(name), http.get_server_metadata()),
    "triton-grpc": look(
        grpc, name, grpc.get_model_metadata(name, as_json=True), grpc.get_server_metadata(as_json=True)
    ),
}
packed = {}
for coding in ("gzip", "deflate"):
    tensors = []
    for tensor in task["cases"][0]["inputs"]:
        tensors.append(over_http.InferInput(tensor["name"], tensor["shape"], tensor["datatype"]))
        tensors[-1].set_data_from_numpy(array(tensor))
    answer = http.infer(name, tensors, request_compression_algorithm=coding, response_compression_algorithm=coding)
    packed[coding] = plain(answer.as_numpy("value"))
say({"said": said, "looks": looks, "packed": packed})
