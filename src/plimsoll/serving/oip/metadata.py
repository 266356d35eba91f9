"""What a server and its models say about themselves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from plimsoll.serving.form import Form
from plimsoll.serving.oip.datatypes import OF_KIND
from plimsoll.serving.oip.writing import SCORE, output_names


def server_metadata(version: str) -> dict[str, Any]:
    return {"name": "plimsoll", "version": version, "extensions": []}


def model_metadata(model: str, versions: Sequence[str], form: Form, task: str, classes: int) -> dict[str, Any]:
    """The model's tensors. ``versions`` are the releases that are loaded."""
    score: Mapping[str, Any] = {
        "name": SCORE[task],
        "datatype": "FP64",
        "shape": [-1, classes] if task == "multiclass" else [-1],
    }
    return {
        "name": model,
        "versions": list(versions),
        "platform": "plimsoll",
        "inputs": [
            {"name": e.name, "datatype": OF_KIND[e.kind], "shape": [-1], "parameters": {"optional": not e.needed}}
            for e in form.entries.values()
        ],
        "outputs": [score, *({"name": n, "datatype": "BYTES", "shape": [-1]} for n in output_names(task)[1:])],
    }
