"""Our messages beside another client's generated ones, in one process: neither is an error to the other.

Usage: one_process.py MODULE, the other's ``…_pb2``.
"""

import importlib
import sys

theirs = importlib.import_module(sys.argv[1])

from plimsoll.serving.grpc.messages import request_of, response_of  # noqa: E402 - the other's first, then ours

ours = request_of("ModelInfer")(model_name="m", id="7", raw_input_contents=[b"\x01"])
ours.inputs.add(name="weight", datatype="FP32", shape=[1, -1])
ours.parameters["unit"].string_param = "u"
read = theirs.ModelInferRequest.FromString(ours.SerializeToString())
assert (read.model_name, read.id, list(read.raw_input_contents)) == ("m", "7", [b"\x01"])
assert (read.inputs[0].name, list(read.inputs[0].shape)) == ("weight", [1, -1])
assert read.parameters["unit"].string_param == "u"

answer = theirs.ModelInferResponse(model_name="m", raw_output_contents=[b"\x02"])
assert response_of("ModelInfer").FromString(answer.SerializeToString()).raw_output_contents[0] == b"\x02"
assert type(read) is not request_of("ModelInfer")
sys.stdout.write("both\n")
