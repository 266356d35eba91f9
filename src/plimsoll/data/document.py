"""A YAML declaration decoded into strict structs, with every fault named by file and line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

import msgspec

from plimsoll.data.yaml_tree import Node, NotYaml, parse
from plimsoll.errors import InvalidDeclaration, nearest

T = TypeVar("T")


def read(path: Path, kind: type[T]) -> T:
    """The file at ``path`` as a ``kind`` (a msgspec Struct). Raises InvalidDeclaration: file, line, and why."""
    try:
        node = parse(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidDeclaration(f"{path}: there is no such file", hint="check the path, or write the file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"{path}: cannot be read as UTF-8 text: {error}") from error
    except NotYaml as error:
        raise InvalidDeclaration(f"{path}{f':{error.line}' if error.line else ''}: not valid YAML: {error}") from error
    decoded: T = _Reader(path).decode(node, kind)
    return decoded


class _Reader:
    """Walks nodes and types together, so that a fault is named where it stands in the file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def fault(self, line: int, message: str, *, hint: str = "") -> InvalidDeclaration:
        return InvalidDeclaration(f"{self.path}:{line}: {message}", hint=hint)

    def decode(self, node: Node, kind: Any) -> Any:
        struct, element = _struct_in(kind), _element_of(kind)
        if struct is not None and isinstance(node.value, dict):
            return self._struct(node.line, node.value, struct)
        if element is not None and isinstance(node.value, list):
            return tuple(self.decode(item, element) for item in node.value)
        return self._convert(node, kind)

    def _struct(self, line: int, items: dict[str, tuple[int, Node]], kind: type[msgspec.Struct]) -> msgspec.Struct:
        fields = {field.encode_name: field for field in msgspec.structs.fields(kind)}
        values: dict[str, Any] = {}
        for key, (key_line, item) in items.items():
            if key not in fields:
                raise self.fault(key_line, f"unknown key {key!r}", hint=nearest(key, fields))
            values[fields[key].name] = self.decode(item, fields[key].type)
        for name, field in fields.items():
            if field.required and field.name not in values:
                raise self.fault(line, f"{name!r} is missing")
        return kind(**values)

    def _convert(self, node: Node, kind: Any) -> Any:
        try:
            return msgspec.convert(node.plain, kind)
        except msgspec.ValidationError as error:
            options = _choices_of(kind)
            hint = nearest(str(node.plain), options) if options else ""
            raise self.fault(node.line, f"{node.plain!r} cannot be here: {error}", hint=hint) from None


def _struct_in(kind: Any) -> type[msgspec.Struct] | None:
    """The Struct that ``kind`` is or may be (``Struct | None``)."""
    candidates = [kind, *get_args(kind)] if get_origin(kind) is not tuple else []
    return next((k for k in candidates if isinstance(k, type) and issubclass(k, msgspec.Struct)), None)


def _element_of(kind: Any) -> Any | None:
    """What a ``tuple[X, ...]`` holds, if X is a Struct; tuples of scalars are converted whole."""
    if get_origin(kind) is tuple and _struct_in(get_args(kind)[0]) is not None:
        return get_args(kind)[0]
    return None


def _choices_of(kind: Any) -> tuple[str, ...]:
    """The words of a Literal (also of ``Literal | None``)."""
    flat = [kind, *get_args(kind)]
    words = [word for part in flat for word in (part, *get_args(part)) if isinstance(word, str)]
    return tuple(dict.fromkeys(words))
