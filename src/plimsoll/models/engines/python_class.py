"""A plain Python class: whatever no format can say. It is code, so whoever opens one has checked a signature.

The class is made once, without arguments or with ``assets=`` (name → bytes) if it asks for files. Its ``predict`` gets
float32 (n, features) and returns one score a row; it may be ``async``, and is then run on an event loop of the engine's
own, so that it can be cancelled.
"""

from __future__ import annotations

import asyncio
import inspect
import linecache
import sys
import threading
import weakref
from collections.abc import Coroutine, Sequence
from concurrent.futures import CancelledError, Future
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import module_from_spec, spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from plimsoll.errors import Broken, UsageError
from plimsoll.kernel.digest import digest_bytes
from plimsoll.models.code import CodeModel
from plimsoll.models.engine import Matrix, Scores, answered, checked, nothing
from plimsoll.models.nameplate import Nameplate, fixed

_IMPORTING = threading.Lock()
"""Modules are imported under their own names, and two releases may use the same ones."""


class ClassEngine:
    """One instance of a released class. ``cancel`` gives up what an async ``predict`` is doing; ``close`` ends its loop."""

    kind = "python"
    native = False

    def __init__(self, plate: Nameplate, made: Any, name: str) -> None:
        self._made = made
        self.name = name
        self.names, self.task, self.classes = plate.names, plate.task, plate.classes
        self._loop = _Loop() if inspect.iscoroutinefunction(made.predict) else None

    def predict(self, matrix: Matrix) -> Scores:
        """See :class:`Engine`. Raises Broken, naming the class, for whatever it raises."""
        checked(matrix, self.names)
        if not len(matrix):
            return nothing(self.task, len(self.classes))
        given = matrix.copy()  # what it writes into must not be what others read
        try:
            said = self._loop.run(self._made.predict(given)) if self._loop else self._made.predict(given)
            raw = np.asarray(said, dtype=np.float64)
        except CancelledError as error:
            raise Broken(f"the class {self.name} was cancelled: it took too long") from error
        except Exception as error:
            raise Broken(f"the class {self.name} raised {type(error).__name__}: {error}") from error
        return answered(raw, len(matrix), self.task, f"the class {self.name}")

    def cancel(self) -> None:
        if self._loop:
            self._loop.cancel()

    def close(self) -> None:
        if self._loop:
            self._loop.stop()


class _Loop:
    """An event loop in a thread of its own, for as long as somebody holds this."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._running: set[Future[Any]] = set()
        threading.Thread(target=_turn, args=(self._loop,), name="plimsoll-async-model", daemon=True).start()
        self.stop = weakref.finalize(self, self._loop.call_soon_threadsafe, self._loop.stop)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._running.add(future)
        try:
            return future.result()
        finally:
            self._running.discard(future)

    def cancel(self) -> None:
        for future in tuple(self._running):
            future.cancel()


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    loop.run_forever()
    loop.close()


class _Python:
    """See :class:`plimsoll.models.engines.Adapter`."""

    kind = "python"
    is_code = True
    suffixes = ()

    def read(self, path: Path) -> Any:
        raise UsageError(f"{path}: name the class as well", hint="FILE.py:Class")

    def takes(self, model: Any) -> bool:
        return isinstance(model, CodeModel)

    def pack(self, model: Any, *, task: str, names: Sequence[str], classes: Sequence[str]) -> bytes:
        plate = Nameplate(kind=self.kind, task=task, names=tuple(names), classes=tuple(classes))
        return fixed(plate, model.to_bytes())

    def open(self, plate: Nameplate | None, payload: bytes) -> ClassEngine:
        if plate is None:
            raise UsageError("the Python class was not packed by Plimsoll: it does not say what it answers")
        code = CodeModel.from_bytes(payload)
        return ClassEngine(plate, _made(code, digest_bytes(payload)[:12]), code.entry.partition(":")[2])


python = _Python()


def _made(code: CodeModel, digest: str) -> Any:
    """An instance of the class. Raises UsageError for whatever its modules or its constructor raise."""
    module, _, name = code.entry.partition(":")
    try:
        kind = getattr(_imported(code, digest), name)
        made = kind(assets=dict(code.assets)) if code.assets else kind()
    except Exception as error:
        raise UsageError(
            f"the class {name} could not be made: {type(error).__name__}: {error}",
            hint=f"what {module}.py imports must be installed where it is served; its constructor takes no arguments",
        ) from error
    if not callable(getattr(made, "predict", None)):
        raise UsageError(f"the class {name} has no predict", hint="give it: def predict(self, X), one score a row")
    return made


def _imported(code: CodeModel, digest: str) -> ModuleType:
    """The class's module, run from its source. Afterwards ``sys.modules`` is as it was: what a module needs of the
    others it imports at its top."""
    finder = _Sources(code, digest)
    with _IMPORTING:
        shadowed = {name: sys.modules.pop(name) for name in code.modules if name in sys.modules}
        sys.meta_path.insert(0, finder)
        try:
            return _run(finder, code.entry.partition(":")[0])
        finally:
            sys.meta_path.remove(finder)
            for name in code.modules:
                sys.modules.pop(name, None)
            sys.modules.update(shadowed)


def _run(finder: _Sources, name: str) -> ModuleType:
    spec = finder.find_spec(name)
    if spec is None or spec.loader is None:
        raise UsageError(f"the class's module {name!r} is not among its sources")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


class _Sources(MetaPathFinder, Loader):
    """Finds the modules that a release carries, before any that are installed under the same names."""

    def __init__(self, code: CodeModel, digest: str) -> None:
        self._code = code
        self._digest = digest

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        return spec_from_loader(name, self) if name in self._code.modules else None

    def exec_module(self, module: ModuleType) -> None:
        source = self._code.modules[module.__name__]
        place = f"<release {self._digest}>/{module.__name__}.py"
        linecache.cache[place] = (len(source), None, source.splitlines(keepends=True), place)  # so that tracebacks tell
        exec(compile(source, place, "exec"), module.__dict__)
