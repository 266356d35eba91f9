"""One canonical ONNX graph for one model: the same model gives the same bytes, in any process.

Converters write random names, their own version and unused outputs into a graph. Here a graph is brought to one
input ``features`` (float32, n × k) and one output ``scores``; what does not lead there is dropped; every tensor and
node is renamed in order; and what the graph answers stands in its metadata.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from plimsoll.errors import UsageError

INPUT, OUTPUT = "features", "scores"
_IN, _OUT = "plimsoll/features", "plimsoll/scores"  # until everything is renamed: a graph may use our names itself
_FLOAT, _DOUBLE, _STRING = 1, 11, 8  # onnx.TensorProto.DataType


def canonical(model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
    """The canonical bytes of an ``onnx.ModelProto``, which is changed in place.

    Raises UsageError where the graph's inputs are not the features, or no output is the answer.
    """
    _one_input(model, names)
    _one_output(model, task)
    _prune(model.graph)
    _rename(model.graph, {"": "", _IN: INPUT, _OUT: OUTPUT}, prefix="")
    _bare(model)
    meta = {"task": task, "names": json.dumps(list(names)), "classes": json.dumps(list(classes))}
    if _loops(model.graph):
        meta["loops"] = "yes"  # nobody can tell whether, or when, it ends: it may not run where others wait for it
    for key in sorted(meta):
        model.metadata_props.add(key=key, value=meta[key])
    data: bytes = model.SerializeToString(deterministic=True)
    return data


def _one_input(model: Any, names: Sequence[str]) -> None:
    """Bring the inputs to one float32 matrix: a matrix stays, one column per feature is cut from it by name."""
    from onnx import helper

    graph = model.graph
    constants = {i.name for i in graph.initializer}
    inputs = [i for i in graph.input if i.name not in constants]
    new = helper.make_tensor_value_info(_IN, _FLOAT, ["n", len(names)])
    if len(inputs) == 1:
        nodes = _whole(inputs[0], names)
    else:
        nodes = _columns(graph, inputs, names)
    del graph.input[:]
    graph.input.append(new)
    rest = list(graph.node)
    del graph.node[:]
    graph.node.extend([*nodes, *rest])
    if nodes and not any(o.domain in ("", "ai.onnx") for o in model.opset_import):
        model.opset_import.add(domain="", version=17)


def _whole(tensor: Any, names: Sequence[str]) -> list[Any]:
    from onnx import helper

    kind = tensor.type.tensor_type
    dims = [d.dim_value for d in kind.shape.dim]
    if len(dims) == 2 and dims[1] and dims[1] != len(names):
        raise UsageError(
            f"the ONNX model's input {tensor.name!r} has {dims[1]} columns, and there are {len(names)} features",
            hint=f"the features, in order: {', '.join(names)}",
        )
    if kind.elem_type == _STRING:
        raise UsageError(f"the ONNX model's input {tensor.name!r} takes text; features are numbers")
    if kind.elem_type == _FLOAT:
        return [helper.make_node("Identity", [_IN], [tensor.name])]
    return [helper.make_node("Cast", [_IN], [tensor.name], to=kind.elem_type)]


def _columns(graph: Any, inputs: Sequence[Any], names: Sequence[str]) -> list[Any]:
    from onnx import helper

    places = {name: i for i, name in enumerate(names)}
    if {i.name for i in inputs} != set(places):
        raise UsageError(
            f"the ONNX model takes the inputs {', '.join(i.name for i in inputs)}; the capability's features are "
            f"{', '.join(names)}",
            hint="export it with one float input of shape [None, k], or one input for each feature under its name",
        )
    nodes: list[Any] = []
    for tensor in inputs:
        kind = tensor.type.tensor_type.elem_type
        if kind == _STRING:
            raise UsageError(f"the ONNX model's input {tensor.name!r} takes text; features are numbers")
        index = f"{tensor.name}/index"
        graph.initializer.append(helper.make_tensor(index, 7, [1], [places[tensor.name]]))
        cut = tensor.name if kind == _FLOAT else f"{tensor.name}/cut"
        nodes.append(helper.make_node("Gather", [_IN, index], [cut], axis=1))
        if kind != _FLOAT:
            nodes.append(helper.make_node("Cast", [cut], [tensor.name], to=kind))
    return nodes


def _one_output(model: Any, task: str) -> None:
    from onnx import helper

    graph = model.graph
    name, kind, width = _answer(graph, task)
    graph.node.append(helper.make_node("Identity", [name], [_OUT]))
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(_OUT, kind, ["n", *width]))


def _answer(graph: Any, task: str) -> tuple[str, int, list[int | None]]:
    """The tensor that holds the answer, its type and the rest of its shape: behind a ZipMap, named like a probability,
    or the only float."""
    maps = {n.output[0]: n.input[0] for n in graph.node if n.op_type == "ZipMap"}
    floats: dict[str, tuple[int, list[int | None]]] = {}
    for out in graph.output:
        if out.name in maps:
            return maps[out.name], _FLOAT, [None]
        kind = out.type.tensor_type
        if kind.elem_type in (_FLOAT, _DOUBLE):
            floats[out.name] = kind.elem_type, [d.dim_value or None for d in kind.shape.dim][1:]
    likely = [n for n in floats if "prob" in n.lower()] if task != "regression" else []
    found = likely if len(likely) == 1 else list(floats)
    if len(found) != 1:
        raise UsageError(
            f"the ONNX model has the outputs {', '.join(o.name for o in graph.output)}: which one is the answer?",
            hint='leave one float output, or name the one with the probabilities "probabilities"',
        )
    return found[0], *floats[found[0]]


def _prune(graph: Any) -> None:
    """Drop every node and constant that the answer does not need."""
    needed = {_OUT}
    kept: list[Any] = []
    for node in reversed(list(graph.node)):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
            needed.update(_captured(node))
    del graph.node[:]
    graph.node.extend(reversed(kept))
    for constants in (graph.initializer, graph.sparse_initializer):
        used = [c for c in constants if _constant_name(c) in needed]
        del constants[:]
        constants.extend(used)


def _captured(node: Any) -> set[str]:
    """Every name that the node's inner graphs (If, Loop, Scan) mention; some of them are ours."""
    found: set[str] = set()
    for inner in _inner(node):
        found.update(o.name for o in inner.output)
        for each in inner.node:
            found.update(each.input)
            found.update(_captured(each))
    return found


def _loops(graph: Any) -> bool:
    return any(node.op_type in ("Loop", "Scan") or any(_loops(g) for g in _inner(node)) for node in graph.node)


def _inner(node: Any) -> list[Any]:
    graphs: list[Any] = []
    for attribute in node.attribute:
        if attribute.HasField("g"):
            graphs.append(attribute.g)
        graphs.extend(attribute.graphs)
    return graphs


def _rename(graph: Any, known: dict[str, str], *, prefix: str) -> None:
    """Name tensors and nodes by the order in which they appear; inner graphs see the outer names."""
    constants = [_constant_name(c) for c in (*graph.initializer, *graph.sparse_initializer)]
    for node in graph.node:
        for name in (*(i for i in node.input if i in constants), *node.output):
            known.setdefault(name, f"{prefix}t{len(known)}")
    for name in constants:
        known.setdefault(name, f"{prefix}t{len(known)}")
    _apply(graph, known, prefix)


def _apply(graph: Any, known: dict[str, str], prefix: str) -> None:
    for place, node in enumerate(graph.node):
        node.name, node.doc_string = f"{prefix}n{place}", ""
        _replace(node.input, [known[n] for n in node.input])
        _replace(node.output, [known[n] for n in node.output])
        ordered = sorted(node.attribute, key=lambda a: str(a.name))
        del node.attribute[:]
        node.attribute.extend(ordered)
        for count, inner in enumerate(_inner(node)):
            scope = f"{prefix}n{place}g{count}/"
            own = {i.name: f"{scope}in{k}" for k, i in enumerate(inner.input)}
            _rename(inner, {**known, **own}, prefix=scope)
    for constant in (*graph.initializer, *graph.sparse_initializer):
        _name_constant(constant, known[_constant_name(constant)])
    for tensor in (*graph.input, *graph.output):
        tensor.name = known[tensor.name]
    ordered_constants = sorted(graph.initializer, key=lambda c: str(c.name))
    del graph.initializer[:]
    graph.initializer.extend(ordered_constants)
    graph.name, graph.doc_string = prefix or "model", ""
    del graph.value_info[:]
    del graph.quantization_annotation[:]


def _constant_name(constant: Any) -> str:
    return str(constant.values.name if hasattr(constant, "values") else constant.name)


def _name_constant(constant: Any, name: str) -> None:
    if hasattr(constant, "values"):
        constant.values.name = name
    else:
        constant.name, constant.doc_string = name, ""


def _replace(field: Any, values: list[str]) -> None:
    del field[:]
    field.extend(values)


def _bare(model: Any) -> None:
    """Take out who made it and when; keep one entry for each operator set, in order."""
    model.producer_name = model.producer_version = model.domain = model.doc_string = ""
    model.model_version = 0
    del model.metadata_props[:]
    del model.training_info[:]
    versions: dict[str, int] = {}
    for opset in model.opset_import:
        domain = "" if opset.domain == "ai.onnx" else opset.domain
        versions[domain] = max(opset.version, versions.get(domain, 0))
    del model.opset_import[:]
    for domain in sorted(versions):
        model.opset_import.add(domain=domain, version=versions[domain])
