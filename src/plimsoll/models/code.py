"""A Python class as a model: its source, the modules beside it that it imports, and the files that it asks for.

It is code, so it is run for a signed release only (``plimsoll.models.trust``). What is kept is text: nothing is
pickled, and reading the source runs nothing of it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec

from plimsoll.errors import Damaged, UsageError, nearest


class CodeModel(msgspec.Struct, frozen=True, kw_only=True):
    """``entry``: the class, as ``module:Class``. ``modules``: name → source. ``assets``: name → bytes, for a class that
    asks for files with ``assets = ("weights.npz",)``."""

    entry: str
    modules: dict[str, str]
    assets: dict[str, bytes] = {}

    def to_bytes(self) -> bytes:
        """The same for the same source."""
        return msgspec.msgpack.encode(self, order="deterministic")

    @staticmethod
    def from_bytes(data: bytes) -> CodeModel:
        try:
            return msgspec.msgpack.decode(data, type=CodeModel)
        except msgspec.DecodeError as error:
            raise Damaged(f"{len(data):,} bytes are not the source of a Python class: {error}") from error


def code_model(path: Path, name: str) -> CodeModel:
    """The class ``name`` of the file ``path``, with every module of its folder that it imports, directly or not.

    Nothing is run. Raises UsageError where the file, the class or one of its assets is not there.
    """
    modules: dict[str, str] = {}
    _take(path, path.stem, modules)
    declared = next(
        (n for n in ast.parse(modules[path.stem]).body if isinstance(n, ast.ClassDef) and n.name == name), None
    )
    if declared is None:
        classes = [n.name for n in ast.parse(modules[path.stem]).body if isinstance(n, ast.ClassDef)]
        raise UsageError(f"{path} defines no class {name!r}", hint=nearest(name, classes))
    assets = {asset: _asset(path, name, asset) for asset in _assets(declared, path)}
    return CodeModel(entry=f"{path.stem}:{name}", modules=dict(sorted(modules.items())), assets=assets)


def _take(path: Path, name: str, modules: dict[str, str]) -> None:
    if name in modules:
        return
    try:
        modules[name] = path.read_text(encoding="utf-8")
        tree = ast.parse(modules[name])
    except FileNotFoundError as error:
        raise UsageError(f"there is no Python file {path}", hint="is the path relative to another folder?") from error
    except (SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} is no Python: {error}") from error
    for imported in _imports(tree):
        beside = path.parent / f"{imported}.py"
        if beside.is_file():
            _take(beside, imported, modules)
        elif (path.parent / imported / "__init__.py").is_file():
            raise UsageError(
                f"{path.name} imports the package {imported}/; a class may use modules beside its own file only",
                hint=f"put what it needs into {imported}.py, or install it where it is served",
            )


def _imports(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _assets(declared: ast.ClassDef, path: Path) -> tuple[str, ...]:
    for statement in declared.body:
        if isinstance(statement, ast.Assign) and [t.id for t in statement.targets if isinstance(t, ast.Name)] == [
            "assets"
        ]:
            try:
                found = ast.literal_eval(statement.value)
            except ValueError as error:
                raise UsageError(f'{path}: {declared.name}.assets must be written out: ("weights.npz",)') from error
            return tuple(str(name) for name in found)
    return ()


def _asset(path: Path, name: str, asset: str) -> bytes:
    folder = path.parent.resolve()
    file = (folder / asset).resolve()
    if not file.is_relative_to(folder) or not file.is_file():
        raise UsageError(f"{name} asks for the file {asset!r}, which is not beside {path.name}")
    return file.read_bytes()
