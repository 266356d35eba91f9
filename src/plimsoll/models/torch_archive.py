"""What a .pt2 file may hold before PyTorch is given it, and the same bytes for the same program.

``torch.export.load`` unpickles what the file marks as pickled, its sample inputs among it, evaluates its shape
expressions as Python, and looks its operators up by dotted path from ``torch`` on. So a file is read here first, as
plain JSON and raw arrays: only operators of ATen, only raw weights, only arithmetic in shapes; everything that is not
needed to answer (stack traces, guards, sample inputs) is left out. Anything else is refused.
"""

from __future__ import annotations

import io
import json
import re
import zipfile
from typing import Any

from plimsoll.errors import Refused, UsageError

LARGEST_BYTES = 1 << 33
_EPOCH = (1980, 1, 1, 0, 0, 0)
_GRAPH = "models/model.json"
_CONFIGS = ("data/weights/model_weights_config.json", "data/constants/model_constants_config.json")
_RAW = re.compile(r"data/(?:weights/weight|constants/tensor)_\d+")
_PLAIN = ("archive_format", "archive_version", "byteorder", ".data/version")
_DROPPED = ("data/sample_inputs/model.pt", ".data/serialization_id")
_OPERATOR = re.compile(r"torch\.ops\.aten\.\w+\.\w+|_operator\.(?:add|sub|mul|floordiv|mod|eq|ne|lt|le|gt|ge|getitem)")
_SYMBOL = re.compile(r"Symbol\('[a-z]+\d+'(?:, (?:positive|integer|nonnegative)=True)*\)|\b[su]\d+\b")
_ARITHMETIC = re.compile(r"(?:\s|\d+|[-+*/(),]|Max|Min|Mod|FloorDiv|Integer)*")
_NEVER = frozenset({"as_custom_obj", "as_graph", "as_operator", "as_opaque"})


def clean(data: bytes, what: str) -> bytes:
    """The archive with only what answering needs. Raises Refused for anything that could run, UsageError for what is
    no archive of one exported program."""
    parts = _parts(data, what)
    graph = _json(parts, _GRAPH, what)
    try:
        _check_graph(graph, what)
        for name in _CONFIGS:
            _check_config(_json(parts, name, what), what)
    except (KeyError, TypeError, AttributeError) as error:
        raise UsageError(f"{what}: the exported program is damaged: {error!r}") from error
    parts[_GRAPH] = json.dumps(graph, sort_keys=True, separators=(",", ":")).encode()
    parts["data/sample_inputs/model.pt"] = b""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_STORED) as out:
        for name in sorted(parts):
            out.writestr(zipfile.ZipInfo(f"archive/{name}", _EPOCH), parts[name])
    return made.getvalue()


def _parts(data: bytes, what: str) -> dict[str, bytes]:
    """Name below the archive's folder → bytes; what is not needed is not read."""
    try:
        archive = zipfile.ZipFile(io.BytesIO(data))
        infos = archive.infolist()
        if sum(i.file_size for i in infos) > LARGEST_BYTES:
            raise Refused(f"{what}: would unpack to more than {LARGEST_BYTES:,} bytes")
        names = {i.filename.partition("/")[2]: i for i in infos}
        if _GRAPH not in names:
            raise UsageError(f"{what}: not a program that torch.export saved (it has no {_GRAPH})")
        for name in names:
            if name not in (_GRAPH, *_CONFIGS, *_PLAIN, *_DROPPED) and not _RAW.fullmatch(name):
                raise Refused(f"{what}: holds {name!r}, which an exported program does not need")
        return {name: archive.read(info) for name, info in names.items() if name not in _DROPPED}
    except zipfile.BadZipFile as error:
        raise UsageError(f"{what}: not a .pt2 file", hint="save it with torch.export.save(program, path)") from error


def _json(parts: dict[str, bytes], name: str, what: str) -> Any:
    try:
        return json.loads(parts[name])
    except (KeyError, ValueError) as error:
        raise UsageError(f"{what}: its {name} is missing or no JSON") from error


def _check_config(config: Any, what: str) -> None:
    for name, meta in config["config"].items():
        if meta.get("use_pickle") is not False or not re.fullmatch(
            r"(?:weight|tensor)_\d+", str(meta.get("path_name"))
        ):
            raise Refused(
                f"{what}: {name} is pickled, and a pickle is never loaded",
                hint="export a program whose weights and constants are plain tensors",
            )


def _check_graph(graph: Any, what: str) -> None:
    """Also takes out, in place, what answering does not need."""
    graph["guards_code"] = []
    graph["torch_version"] = ""
    module = graph["graph_module"]
    module["metadata"] = {}
    if module["treespec_namedtuple_fields"] or module["graph"]["custom_obj_values"]:
        raise Refused(f"{what}: uses types of its own, which a program of plain tensors does not need")
    for node in module["graph"]["nodes"]:
        node["metadata"] = {}
        if not _OPERATOR.fullmatch(str(node["target"])):
            raise Refused(f"{what}: calls {node['target']!r}; only the operators of ATen are run")
    _walk(graph, what)


def _walk(part: Any, what: str) -> None:
    if isinstance(part, dict):
        for key, value in part.items():
            if key in _NEVER and value is not None:
                raise Refused(f"{what}: holds an argument {key!r}; only tensors and numbers are run")
            if key == "expr_str" and not _ARITHMETIC.fullmatch(_SYMBOL.sub("1", str(value))):
                raise Refused(f"{what}: its shapes are computed by {str(value)[:80]!r}, which is more than arithmetic")
            _walk(value, what)
    elif isinstance(part, list):
        for value in part:
            _walk(value, what)
