"""A model that may not end is waited for so long, in one thread, however often it is asked."""

from __future__ import annotations

import threading
from typing import Any

import numpy as np
import pytest

from plimsoll.errors import Broken, Unavailable, UsageError
from plimsoll.models import CodeModel, Guarded, open_engine
from plimsoll.models.engines.python_class import python

from .given import NAMES, X


class Hanging:
    """Answers once it may."""

    kind, task, names, classes, native = "python", "binary", NAMES, (), False

    def __init__(self) -> None:
        self.may = threading.Event()
        self.begun = threading.Event()

    def predict(self, matrix: Any) -> Any:
        self.begun.set()
        self.may.wait(30)
        return np.full(len(matrix), 0.5)


def _threads() -> set[threading.Thread]:
    return {t for t in threading.enumerate() if t.name == "plimsoll-python"}


def test_it_answers_like_the_engine_that_it_guards() -> None:
    """Scores pass, and so do the engine's own errors."""
    code = CodeModel(
        entry="m:M", modules={"m": "class M:\n    def predict(self, X):\n        return X[:, 0] * 0 + 0.5\n"}
    )
    guarded = Guarded(open_engine(python.pack(code, task="binary", names=NAMES, classes=())), limit_s=30)
    assert guarded.predict(X[:2]).tolist() == [0.5, 0.5]
    with pytest.raises(UsageError, match="rows of 4 features"):
        guarded.predict(X[:2, :3])
    guarded.close()


def test_who_hangs_is_given_up_and_not_asked_again_until_it_comes_back() -> None:
    """The first waits for the limit, the others fail at once; one thread in all; then it answers again."""
    before = _threads()
    guarded = Guarded(engine := Hanging(), limit_s=0.05)
    with pytest.raises(Unavailable, match="timeout: no answer in 50 ms"):
        guarded.predict(X[:1])
    for _ in range(20):
        with pytest.raises(Unavailable, match="not asked again until it comes back"):
            guarded.predict(X[:1])
    assert guarded.failing and guarded.busy and len(_threads() - before) == 1
    engine.may.set()
    while guarded.busy:
        threading.Event().wait(0.001)
    assert not guarded.failing
    assert guarded.predict(X[:1]).tolist() == [0.5]
    guarded.close()


def test_a_class_that_waits_for_ever_is_cancelled() -> None:
    """What is async gives its thread back: the next question is answered."""
    source = (
        "import asyncio\nclass M:\n    slow = True\n    async def predict(self, X):\n        if M.slow:\n"
        "            M.slow = False\n            await asyncio.Event().wait()\n        return [0.5] * len(X)\n"
    )
    code = CodeModel(entry="m:M", modules={"m": source})
    guarded = Guarded(open_engine(python.pack(code, task="binary", names=NAMES, classes=())), limit_s=0.5)
    with pytest.raises(Unavailable, match="timeout"):
        guarded.predict(X[:1])
    while guarded.busy:
        threading.Event().wait(0.001)
    assert guarded.predict(X[:1]).tolist() == [0.5]
    guarded.close()


def test_what_raises_anything_at_all_leaves_the_thread_alive() -> None:
    """Even what is no ordinary exception becomes an answer's error."""

    class Ending(Hanging):
        def predict(self, matrix: Any) -> Any:
            raise SystemExit("no")

    guarded = Guarded(Ending(), limit_s=30)
    for _ in range(3):
        with pytest.raises(Broken, match="SystemExit: no"):
            guarded.predict(X[:1])
    guarded.close()


def test_how_the_process_grows_while_it_answers_is_kept() -> None:
    """A leak has a name."""
    sizes = iter([100, 107, 107, 130])
    guarded = Guarded(engine := Hanging(), limit_s=30, resident=lambda: next(sizes))
    engine.may.set()
    guarded.predict(X[:1])
    guarded.predict(X[:1])
    assert guarded.grown_bytes == 30
    guarded.close()
