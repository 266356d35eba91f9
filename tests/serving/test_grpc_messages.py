from __future__ import annotations

import re
from importlib.resources import files

from google.protobuf import descriptor_pool, symbol_database
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorSet

from plimsoll.serving.grpc.messages import CALLS, compiled, request_of, response_of

PROTO = files("plimsoll.serving.grpc").joinpath("oip.proto").read_text(encoding="utf-8")
FIELD = re.compile(r"^\s*(repeated )?(map<[^>]+>|[\w.]+) (\w+) = (\d+);", re.MULTILINE)


def test_the_compiled_file_is_the_source() -> None:
    """Every field of the source is in the descriptors with its number, and no other one."""
    (file,) = FileDescriptorSet.FromString(compiled()).file
    found = set()
    waiting = list(file.message_type)
    while waiting:
        message = waiting.pop()
        if message.options.map_entry:
            continue
        waiting += message.nested_type
        found |= {(f.name, f.number, f.label == FieldDescriptorProto.LABEL_REPEATED) for f in message.field}
    written = {(name, int(n), bool(many) or kind.startswith("map")) for many, kind, name, n in FIELD.findall(PROTO)}
    assert found == written


def test_every_call_has_its_messages() -> None:
    """The six of the protocol, and three for the repository."""
    assert len(CALLS) == 9
    for call in CALLS:
        assert (request_of(call).DESCRIPTOR.name, response_of(call).DESCRIPTOR.name) == (
            f"{call}Request",
            f"{call}Response",
        )


def test_the_default_pool_stays_free() -> None:
    """Nothing of ours is where generated modules of other clients register the same names."""
    request = request_of("ModelInfer")(model_name="m")
    assert request.DESCRIPTOR.file.pool is not descriptor_pool.Default()
    assert symbol_database.Default().pool is descriptor_pool.Default()
    for name in ("ModelInferRequest", "InferParameter"):
        try:
            descriptor_pool.Default().FindMessageTypeByName(f"inference.{name}")
        except KeyError:
            continue
        raise AssertionError(f"{name} is in the default pool")
