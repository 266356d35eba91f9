"""A .pt2 file that could run something is refused before PyTorch sees it. All but the last need no PyTorch."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from plimsoll.errors import Refused, UsageError
from plimsoll.models import package
from plimsoll.models.torch_archive import clean

from .given import NAMES, X, case_of

SYMBOL = "Symbol('s31', positive=True, integer=True)"


def _graph(target: str = "torch.ops.aten.linear.default", expr: str = SYMBOL, **changes: Any) -> dict[str, Any]:
    node = {"target": target, "inputs": [], "metadata": {"stack_trace": "/home/me/model.py"}}
    shape = [{"as_expr": {"expr_str": expr, "hint": None}}]
    graph = {"nodes": [node], "tensor_values": {"x": {"sizes": shape}}, "custom_obj_values": {}, **changes}
    module = {"graph": graph, "metadata": {}, "treespec_namedtuple_fields": {}}
    return {"graph_module": module, "guards_code": ["os.getcwd()"], "torch_version": "2.13.0"}


def _archive(graph: Any, *, pickled: bool = False, **more: bytes) -> bytes:
    weights = {"config": {"w": {"use_pickle": pickled, "path_name": "weight_0"}}}
    parts = {
        "models/model.json": json.dumps(graph).encode(),
        "data/weights/model_weights_config.json": json.dumps(weights).encode(),
        "data/constants/model_constants_config.json": b'{"config": {}}',
        "data/weights/weight_0": b"\0" * 4,
        "data/sample_inputs/model.pt": b"a pickle",
        **{name.replace("__", "/"): data for name, data in more.items()},
    }
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as out:
        for name, data in parts.items():
            out.writestr(f"anything/{name}", data)
    return made.getvalue()


def test_what_answering_does_not_need_is_left_out() -> None:
    """Traces of the author's machine, guards and pickled sample inputs; and cleaning again changes nothing."""
    cleaned = clean(_archive(_graph()), "it")
    assert b"/home/me" not in cleaned and b"getcwd" not in cleaned and b"a pickle" not in cleaned
    assert clean(cleaned, "it") == cleaned


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (_archive(_graph(target="torch.hub.load")), "calls 'torch.hub.load'"),
        (_archive(_graph(target="torch.ops.aten.linear.default.__class__")), "only the operators of ATen"),
        (_archive(_graph(expr="__import__('os').system('id')")), "more than arithmetic"),
        (_archive(_graph(expr="Symbol('s1').__class__")), "more than arithmetic"),
        (_archive(_graph(extra=[{"as_graph": {"name": "inner"}}])), "argument 'as_graph'"),
        (_archive(_graph(custom_obj_values={"o": {}})), "types of its own"),
        (_archive(_graph(), pickled=True), "w is pickled, and a pickle is never loaded"),
        (_archive(_graph(), data__constants__custom_obj_0=b"x"), "holds 'data/constants/custom_obj_0'"),
        (_archive(_graph(), data__weights__model=b"x"), "holds 'data/weights/model'"),
    ],
)
def test_what_could_run_is_refused(data: bytes, said: str) -> None:
    """Operators by path, expressions that are evaluated, pickles: each is named."""
    with pytest.raises(Refused, match=said):
        clean(data, "it")


def test_arithmetic_in_shapes_is_no_danger() -> None:
    """A program may answer with twice as many columns as rows."""
    for expr in ("8", "2*s31", f"Max(1, {SYMBOL})*3 + 1", "FloorDiv(s31, 2)"):
        clean(_archive(_graph(expr=expr)), "it")


@pytest.mark.parametrize("data", [b"", b"PK junk", _archive({})[:200]])
def test_what_is_no_archive_is_a_usage_error(data: bytes) -> None:
    """A person who names the wrong file is told so."""
    with pytest.raises(UsageError, match=r"not a \.pt2 file"):
        clean(data, "it")


def test_an_archive_without_a_program_is_a_usage_error() -> None:
    """The parts that make a program are looked for."""
    with pytest.raises(UsageError, match="not a program"):
        made = io.BytesIO()
        zipfile.ZipFile(made, "w").writestr("x/readme", "hello")
        clean(made.getvalue(), "it")
    with pytest.raises(UsageError, match=r"damaged.*graph_module"):
        clean(_archive({}), "it")


def test_a_program_and_its_file_are_packed_alike(tmp_path: Path) -> None:
    """What a train function returns and what somebody saved are one release; where it cannot be ONNX it says why."""
    case = case_of("torch")
    import torch

    torch.export.save(case.model, path := tmp_path / "model.pt2")
    made = package(case.model, names=NAMES, task="binary", sample=X)
    assert made.kind in ("torch", "onnx") and made.parity <= 1e-5
    assert made.kind == "onnx" or "onnxscript" in made.note
    assert package(path, names=NAMES, task="binary", sample=X).model == made.model
