"""scikit-learn in the skops format: for an estimator that has no ONNX form, or whose ONNX form answers otherwise.

A skops file names the types that it is made of, and loading one makes them. Only types on the list below are made:
scikit-learn's own estimators (which skops knows) and the parts of theirs that it leaves to its user to judge, each
looked at here: plain holders of numbers, with no behaviour on loading. A file that names any other is refused before
anything in it is made.

skops writes memory addresses as ids and file names, and NumPy the gaps between the fields of a record; both are
brought into order here, so that one model gives the same bytes in any process.
"""

from __future__ import annotations

import io
import json
import warnings
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from plimsoll.errors import Refused, UsageError
from plimsoll.models import native
from plimsoll.models.engine import Matrix, Scores, checked, finite, nothing, shaped
from plimsoll.models.nameplate import Nameplate, fixed

TRUSTED = frozenset(
    {
        "collections.OrderedDict",
        "numpy.dtype",
        "scipy.interpolate._bsplines.BSpline",
        "sklearn.calibration._CalibratedClassifier",
        "sklearn.calibration._SigmoidCalibration",
        "sklearn.calibration._TemperatureScaling",
        "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
        "sklearn.gaussian_process._gpc._BinaryGaussianProcessClassifierLaplace",
        "sklearn.gaussian_process.kernels.ConstantKernel",
        "sklearn.gaussian_process.kernels.DotProduct",
        "sklearn.gaussian_process.kernels.Matern",
        "sklearn.gaussian_process.kernels.Product",
        "sklearn.gaussian_process.kernels.RBF",
        "sklearn.gaussian_process.kernels.Sum",
        "sklearn.gaussian_process.kernels.WhiteKernel",
        "sklearn.metrics._dist_metrics.EuclideanDistance64",
        "sklearn.metrics._dist_metrics.ManhattanDistance64",
        "sklearn.metrics._dist_metrics.MinkowskiDistance64",
        "sklearn.neighbors._ball_tree.BallTree",
        "sklearn.neighbors._kd_tree.KDTree",
        "sklearn.neural_network._stochastic_optimizers.AdamOptimizer",
        "sklearn.neural_network._stochastic_optimizers.SGDOptimizer",
        "sklearn.tree._tree.Tree",
        "sklearn.utils._bunch.Bunch",
    }
)
"""What may be made beside what skops trusts by itself."""

LARGEST_BYTES = 1 << 31
_EPOCH = (1980, 1, 1, 0, 0, 0)


class SkopsEngine:
    """A fitted estimator under scikit-learn: as slow as its ``predict_proba`` (0.1–0.5 ms a call), and no slower."""

    kind = "skops"
    native = False

    def __init__(self, plate: Nameplate, estimator: Any) -> None:
        self._estimator = estimator
        self.names, self.task, self.classes = plate.names, plate.task, plate.classes

    def predict(self, matrix: Matrix) -> Scores:
        """See :class:`Engine`."""
        checked(matrix, self.names)
        if not len(matrix):
            return nothing(self.task, len(self.classes))
        raw = native.answers(self._estimator, self.names, self.task, matrix)
        return finite(shaped(raw, self.task), "the model")


class _Skops:
    """See :class:`plimsoll.models.engines.Adapter`."""

    kind = "skops"
    is_code = False
    suffixes = (".skops",)

    def read(self, path: Path) -> Any:
        return _estimator(path.read_bytes(), str(path))

    def takes(self, model: Any) -> bool:
        return hasattr(model, "get_params") and hasattr(model, "predict")

    def pack(self, model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
        import skops.io as sio  # type: ignore[import-untyped]

        plate = Nameplate(kind=self.kind, task=task, names=tuple(names), classes=tuple(classes))
        try:
            dumped = sio.dumps(model)
        except (TypeError, ValueError, AttributeError, RecursionError) as error:
            raise UsageError(f"skops cannot write the {type(model).__name__}: {str(error)[:300]}") from error
        _refuse_unknown(dumped, f"the {type(model).__name__}")
        return fixed(plate, in_order(dumped))

    def open(self, plate: Nameplate | None, payload: bytes) -> SkopsEngine:
        if plate is None:
            raise UsageError("the skops file was not packed by Plimsoll: it does not say what it answers")
        return SkopsEngine(plate, _estimator(payload, f"{len(payload):,} bytes"))


skops = _Skops()


def _estimator(data: bytes, what: str) -> Any:
    """What the bytes hold. Raises Refused for a type that is not on the list, before anything is made."""
    try:
        import skops.io as sio
        from skops.io.exceptions import UntrustedTypesFoundException  # type: ignore[import-untyped]
    except ImportError as error:
        raise UsageError("a skops model needs skops", hint='pip install "plimsoll[ml]"') from error
    _bounded(data, what)
    _refuse_unknown(data, what)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a file of another version: the golden answers tell
            return sio.loads(data, trusted=sorted(TRUSTED))
    except UntrustedTypesFoundException as error:
        raise Refused(f"{what}: {str(error)[:300]}") from error
    except (ValueError, TypeError, KeyError, AttributeError, ImportError, OSError) as error:
        raise UsageError(f"{what}: not a skops file that can be read: {str(error).splitlines()[0][:300]}") from error


def _bounded(data: bytes, what: str) -> None:
    try:
        size = sum(item.file_size for item in zipfile.ZipFile(io.BytesIO(data)).infolist())
    except zipfile.BadZipFile as error:
        raise UsageError(f"{what}: not a skops file", hint="save it with skops.io.dump(model, path)") from error
    if size > LARGEST_BYTES:
        raise Refused(f"{what}: would unpack to {size:,} bytes, and {LARGEST_BYTES:,} are allowed")


def _refuse_unknown(data: bytes, what: str) -> None:
    import skops.io as sio

    try:
        unknown = sorted(set(sio.get_untrusted_types(data=data)) - TRUSTED)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise UsageError(f"{what}: not a skops file that can be read: {str(error).splitlines()[0][:300]}") from error
    if unknown:
        more = f" and {len(unknown) - 3} more" if len(unknown) > 3 else ""
        raise Refused(
            f"{what} is made of types that are not trusted: {', '.join(unknown[:3])}{more}",
            hint="use scikit-learn's own parts, export the model as ONNX, or ship it as a signed Python class",
            details={"types": unknown},
        )


def in_order(dumped: bytes) -> bytes:
    """A skops file with ids and names in the order of their appearance, without times: the same for the same model."""
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        schema = json.loads(archive.read("schema.json"))
        files: dict[str, str] = {}
        _number(schema, {}, files)
        made = io.BytesIO()
        with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as out:
            _add(out, "schema.json", json.dumps(schema, sort_keys=False, separators=(",", ":")).encode())
            for old, new in files.items():
                _add(out, new, _filled(archive.read(old)) if new.endswith(".npy") else archive.read(old))
    return made.getvalue()


def _add(archive: zipfile.ZipFile, name: str, data: bytes) -> None:
    archive.writestr(zipfile.ZipInfo(name, _EPOCH), data)


def _number(schema: Any, ids: dict[Any, int], files: dict[str, str]) -> None:
    """Renumber in place. A plain value gets a number of its own: whether two equal ones are one object is chance."""
    for node in _nodes(schema):
        if "__id__" in node:
            plain = node.get("is_json")
            key = (len(ids), "plain") if plain else node["__id__"]
            node["__id__"] = ids.setdefault(key, len(ids) + 1)
        if isinstance(name := node.get("file"), str):
            node["file"] = files.setdefault(name, f"{len(files)}{Path(name).suffix}")


def _nodes(part: Any) -> Iterator[dict[str, Any]]:
    if isinstance(part, Mapping):
        if "__class__" in part:
            yield part  # type: ignore[misc]
            if part.get("__loader__") == "SetNode" and isinstance(part["content"], list):
                part["content"].sort(key=_without_ids)
        for value in part.values():
            yield from _nodes(value)
    elif isinstance(part, list):
        for value in part:
            yield from _nodes(value)


def _without_ids(part: Any) -> str:
    if isinstance(part, Mapping):
        return str(sorted((k, _without_ids(v)) for k, v in part.items() if k != "__id__"))
    return str([_without_ids(v) for v in part]) if isinstance(part, list) else str(part)


def _filled(npy: bytes) -> bytes:
    """A saved array whose records have zeros between their fields, instead of what the memory held."""
    array = np.load(io.BytesIO(npy), allow_pickle=False)
    if array.dtype.names is None:
        return npy
    clean = np.zeros(array.shape, array.dtype)  # zeros_like leaves the gaps as they are
    for field in array.dtype.names:
        clean[field] = array[field]
    out = io.BytesIO()
    np.save(out, clean, allow_pickle=False)
    return out.getvalue()
