"""What the clients' scripts share: cases in, what was said out, tensors as NumPy arrays. Runs in their environments."""

import json
import sys

import numpy as np

DTYPES = {
    "BOOL": np.bool_,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
    "BYTES": np.object_,
    **{f"{sign}INT{bits}": np.dtype(f"{sign.lower()}int{bits}") for sign in ("", "U") for bits in (8, 16, 32, 64)},
}


def array(tensor):
    """A case's tensor; null is NaN, a text its bytes."""
    data = tensor["data"]
    if tensor["datatype"] == "BF16":
        import ml_dtypes  # beside tritonclient; KServe's client has no BF16

        return np.array(data, dtype=ml_dtypes.bfloat16).reshape(tensor["shape"])
    if tensor["datatype"] == "BYTES":
        data = [value.encode() for value in data]
    elif tensor["datatype"].startswith("FP"):
        data = [np.nan if value is None else value for value in data]
    return np.array(data, dtype=DTYPES[tensor["datatype"]]).reshape(tensor["shape"])


def plain(values):
    """An output as JSON can say it."""
    return [v.decode() if isinstance(v, bytes) else v for v in np.asarray(values).reshape(-1).tolist()]


def given():
    """The addresses and the cases, from standard input."""
    return json.load(sys.stdin)


def cases_over(task, way):
    return [case for case in task["cases"] if way not in case.get("not_over", {})]


def say(said):
    json.dump(said, sys.stdout)
