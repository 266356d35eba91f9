"""The Open Inference Protocol, version 2: read into questions, written from replies.

Pure: bytes in, values out. Field names and the shape of errors are the protocol's
(https://github.com/kserve/open-inference-protocol, ``specification/protocol/inference_rest.md``).
"""

from plimsoll.serving.oip.metadata import model_metadata, server_metadata
from plimsoll.serving.oip.reading import InferRequest, read_request
from plimsoll.serving.oip.writing import output_names, write_reply

__all__ = ["InferRequest", "model_metadata", "output_names", "read_request", "server_metadata", "write_reply"]
