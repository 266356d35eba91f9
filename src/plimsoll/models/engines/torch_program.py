"""PyTorch: a program that ``torch.export`` made, for what cannot be brought to ONNX.

PyTorch is gigabytes and takes a second to import; it is needed only where such a release is packed or served.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from plimsoll.errors import UsageError
from plimsoll.models import native, torch_form
from plimsoll.models.engine import Matrix, Scores, checked, finite, nothing, shaped
from plimsoll.models.nameplate import Nameplate, fixed
from plimsoll.models.torch_archive import clean


class TorchEngine:
    """An exported program under PyTorch, in one thread."""

    kind = "torch"
    native = False

    def __init__(self, plate: Nameplate, module: Any) -> None:
        self._module = module
        self.names, self.task, self.classes = plate.names, plate.task, plate.classes

    def predict(self, matrix: Matrix) -> Scores:
        """See :class:`Engine`."""
        checked(matrix, self.names)
        if not len(matrix):
            return nothing(self.task, len(self.classes))
        return finite(shaped(torch_form.run(self._module, matrix), self.task), "the model")


class _Torch:
    """See :class:`plimsoll.models.engines.Adapter`."""

    kind = "torch"
    is_code = False
    suffixes = (".pt2",)

    def read(self, path: Path) -> Any:
        return _program(clean(path.read_bytes(), str(path)), str(path))

    def takes(self, model: Any) -> bool:
        return native.is_torch(model)

    def pack(self, model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
        torch = _torch()
        made = io.BytesIO()
        torch.export.save(model, made)
        plate = Nameplate(kind=self.kind, task=task, names=tuple(names), classes=tuple(classes))
        return fixed(plate, clean(made.getvalue(), "the PyTorch program"))

    def open(self, plate: Nameplate | None, payload: bytes) -> TorchEngine:
        if plate is None:
            raise UsageError("the PyTorch program was not packed by Plimsoll: it does not say what it answers")
        what = f"{len(payload):,} bytes"
        return TorchEngine(plate, _program(clean(payload, what), what).module())


torch = _Torch()


def _torch() -> Any:
    try:
        import torch  # type: ignore[import-not-found]
    except ImportError as error:
        raise UsageError("a PyTorch program needs PyTorch", hint='pip install "plimsoll[torch]"') from error
    torch.set_num_threads(1)
    return torch


def _program(cleaned: bytes, what: str) -> Any:
    """What an archive that was cleaned holds."""
    torch = _torch()
    try:
        return torch.export.load(io.BytesIO(cleaned))
    except (RuntimeError, AssertionError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:300]
        raise UsageError(f"{what}: not a program that PyTorch {torch.__version__} can run: {reason}") from error
