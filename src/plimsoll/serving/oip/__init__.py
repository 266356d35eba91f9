"""The Open Inference Protocol, version 2: tensors read into questions, replies written as tensors.

Pure: bytes in, values out. Field names and the shape of errors are the protocol's
(https://github.com/kserve/open-inference-protocol, ``specification/protocol``), the binary tensors and the repository
are Triton's extensions. One codec for both edges: REST differs from gRPC only in how a tensor travels.
"""

from plimsoll.serving.oip.asking import InferRequest, Wanted, asked
from plimsoll.serving.oip.lane import Lane, marked
from plimsoll.serving.oip.metadata import model_metadata, server_metadata
from plimsoll.serving.oip.outputs import Output, output_names, outputs_of
from plimsoll.serving.oip.reading import InferBody, read_request
from plimsoll.serving.oip.tensors import Tensor
from plimsoll.serving.oip.writing import Written, write_reply

__all__ = [
    "InferBody",
    "InferRequest",
    "Lane",
    "Output",
    "Tensor",
    "Wanted",
    "Written",
    "asked",
    "marked",
    "model_metadata",
    "output_names",
    "outputs_of",
    "read_request",
    "server_metadata",
    "write_reply",
]
