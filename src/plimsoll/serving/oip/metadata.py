"""What a server and its models say about themselves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from plimsoll.serving.form import MATRIX, Form
from plimsoll.serving.oip.datatypes import OF_KIND
from plimsoll.serving.oip.outputs import SCORE, output_names

EXTENSIONS = ("binary_tensor_data", "model_repository")


def server_metadata(version: str) -> dict[str, Any]:
    return {"name": "plimsoll", "version": version, "extensions": EXTENSIONS}


def model_metadata(model: str, versions: Sequence[str], form: Form, task: str, classes: int) -> dict[str, Any]:
    """The model's tensors. ``versions`` are the releases that are loaded."""
    inputs = [_tensor(e.name, OF_KIND[e.kind], optional=not e.needed) for e in form.entries.values()]
    if form.matrix:
        inputs.append(_tensor(MATRIX, "FP32", len(form.matrix), optional=True, columns=form.matrix))
    return {
        "name": model,
        "versions": list(versions),
        "platform": "plimsoll",
        "inputs": inputs,
        "outputs": [
            {"name": SCORE[task], "datatype": "FP64", "shape": [-1, classes] if task == "multiclass" else [-1]},
            *({"name": n, "datatype": "BYTES", "shape": [-1]} for n in output_names(task)[1:]),
        ],
    }


def _tensor(name: str, datatype: str, *width: int, **parameters: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": [-1, *width], "parameters": parameters}
