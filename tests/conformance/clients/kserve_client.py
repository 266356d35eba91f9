"""The cases through KServe's clients: REST with binary and with JSON tensors, gRPC with raw and with typed contents."""

import asyncio
import logging

import grpc
import httpx
from arrays import array, cases_over, given, plain, say
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest
from kserve.inference_client import RESTConfig
from kserve.protocol.infer_type import RequestedOutput

KINDS = {400: "invalid", 404: "not_found", "INVALID_ARGUMENT": "invalid", "NOT_FOUND": "not_found"}


def request_of(case, *, binary):
    tensors = []
    for tensor in case["inputs"]:
        made = InferInput(tensor["name"], tensor["shape"], tensor["datatype"])
        made.set_data_from_numpy(array(tensor), binary_data=binary)
        tensors.append(made)
    model, outputs = case.get("model", "echo"), [RequestedOutput(name) for name in case.get("outputs", [])]
    return InferRequest(model, tensors, request_id=case.get("id"), request_outputs=outputs or None)


def answered(response):
    return {"outputs": {o.name: plain(o.as_numpy()) for o in response.outputs}, "id": response.id}


async def over_rest(client, url, case, *, binary):
    model = case.get("model", "echo")
    try:
        return answered(await client.infer(url, request_of(case, binary=binary), model_name=model))
    except httpx.HTTPStatusError as error:
        return {"refused": KINDS.get(error.response.status_code, str(error)), "says": str(error)}


async def over_grpc(client, case, *, binary):
    try:
        return answered(await client.infer(request_of(case, binary=binary)))
    except grpc.RpcError as error:
        return {"refused": KINDS.get(error.code().name, error.code().name), "says": error.details()}


async def main():
    logging.disable(logging.ERROR)  # the client logs every refusal with a traceback
    task = given()
    url = f"http://{task['http']}"
    rest = InferenceRESTClient(RESTConfig(protocol="v2"))
    async with InferenceGRPCClient(task["grpc"]) as remote:
        said = {}
        for way, binary in (("kserve-rest-binary", True), ("kserve-rest-json", False)):
            said[way] = {c["name"]: await over_rest(rest, url, c, binary=binary) for c in cases_over(task, way)}
        for way, binary in (("kserve-grpc-raw", True), ("kserve-grpc-typed", False)):
            said[way] = {c["name"]: await over_grpc(remote, c, binary=binary) for c in cases_over(task, way)}
        looks = {
            "kserve-rest": {
                "live": await rest.is_server_live(url),
                "ready": await rest.is_server_ready(url),
                "model_ready": await rest.is_model_ready(url, task["model"]),
            },
            "kserve-grpc": {
                "live": await remote.is_server_live(),
                "ready": await remote.is_server_ready(),
                "model_ready": await remote.is_model_ready(task["model"]),
            },
        }
    await rest.close()
    say({"said": said, "looks": looks})


asyncio.run(main())
