"""A model of every kind that a release may carry, packed; made when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray

from plimsoll.kernel.digest import digest_bytes
from plimsoll.models import CodeModel
from plimsoll.models.engines import adapter_of

NAMES = ("delay", "wind", "hour", "distance")
X = np.random.default_rng(7).normal(size=(400, 4)).astype(np.float32)
LATE = (X[:, 0] + X[:, 1] + np.random.default_rng(8).normal(size=400) > 0.5).astype(float)


class Case(NamedTuple):
    """A model as its library has it, packed, and what it says itself."""

    kind: str
    model: Any
    packed: bytes
    own: Callable[[NDArray[np.float32]], Any]


def case_of(kind: str) -> Case:
    """The model of ``kind``; skips the one that cannot be here. PyTorch is gigabytes, and in no lock of ours: its cases
    are the one exception to "what is not here fails in CI"; ``make test-torch`` runs them."""
    if kind == "torch" and find_spec("torch") is None:
        pytest.skip("PyTorch is not installed: make test-torch")
    return _packed(kind)


@cache
def _packed(kind: str) -> Case:
    named, model, own = _other() if kind == "other" else cases()[kind]()
    return Case(named, model, adapter_of(named).pack(model, task="binary", names=NAMES, classes=()), own)


def fresh(kind: str) -> str:
    """The digest of the packed model: for another process to compare with."""
    return digest_bytes(_packed(kind).packed)


Made = tuple[str, Any, Callable[[NDArray[np.float32]], Any]]


def _booster(slope: float = 1.0) -> Any:
    import lightgbm as lgb

    usual = {"objective": "binary", "num_threads": 1, "verbose": -1, "deterministic": True, "min_data_in_leaf": 5}
    return lgb.train(usual, lgb.Dataset(X * np.float32(slope), LATE), num_boost_round=20)


def _onnx() -> Made:
    model = _booster()
    return "onnx", model, model.predict


def _other() -> Made:
    """For answers that must not be reproduced."""
    model = _booster(-1.0)
    return "onnx", model, model.predict


def _lightgbm() -> Made:
    model = _booster()
    return "lightgbm", model, model.predict


def _skops() -> Made:
    from sklearn.ensemble import HistGradientBoostingClassifier

    model = HistGradientBoostingClassifier(max_iter=10, random_state=0).fit(X, LATE)
    return "skops", model, lambda rows: model.predict_proba(rows)[:, 1]


def _torch() -> Made:
    import torch

    torch.manual_seed(7)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1), torch.nn.Sigmoid()).eval()
    shape = ({0: torch.export.Dim("n")},)
    program = torch.export.export(net, (torch.zeros(2, 4),), dynamic_shapes=shape)
    return "torch", program, lambda rows: net(torch.from_numpy(rows)).detach().numpy()[:, 0]


SOURCE = '''
import numpy as np
from curve import logistic


class Ranker:
    """P(late) by hand."""

    async def predict(self, X):
        return logistic(X[:, 0] - 0.5 * X[:, 1])
'''
CURVE = "import numpy as np\n\n\ndef logistic(z):\n    return 1 / (1 + np.exp(-z.astype(np.float64)))\n"


def _python() -> Made:
    code = CodeModel(entry="ranker:Ranker", modules={"ranker": SOURCE, "curve": CURVE})
    return "python", code, lambda rows: 1 / (1 + np.exp(-(rows[:, 0] - 0.5 * rows[:, 1]).astype(np.float64)))


def cases() -> dict[str, Callable[[], Made]]:
    """By kind."""
    return {"onnx": _onnx, "lightgbm": _lightgbm, "skops": _skops, "torch": _torch, "python": _python}
