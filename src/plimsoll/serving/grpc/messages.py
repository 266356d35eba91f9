"""The protocol's messages, in a descriptor pool of our own.

Generated modules register their messages in the process's one default pool, where a second definition of
``inference.ModelInferRequest`` is an error: a process with tritonclient or kserve in it could not load ours. In a pool
of its own the same name is no clash. ``oip.binpb`` is ``oip.proto``, compiled.
"""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from google.protobuf.descriptor_pb2 import FileDescriptorSet  # type: ignore[import-untyped]
from google.protobuf.descriptor_pool import DescriptorPool  # type: ignore[import-untyped]
from google.protobuf.message_factory import GetMessageClass  # type: ignore[import-untyped]

SERVICE = "inference.GRPCInferenceService"


def compiled() -> bytes:
    return files(__package__).joinpath("oip.binpb").read_bytes()


def _pool() -> DescriptorPool:
    pool = DescriptorPool()
    for file in FileDescriptorSet.FromString(compiled()).file:
        pool.Add(file)
    return pool


_SERVICE = _pool().FindServiceByName(SERVICE)
CALLS = tuple(method.name for method in _SERVICE.methods)


def request_of(call: str) -> Any:
    """The class of a call's request."""
    return GetMessageClass(_SERVICE.methods_by_name[call].input_type)


def response_of(call: str) -> Any:
    """The class of a call's response."""
    return GetMessageClass(_SERVICE.methods_by_name[call].output_type)
