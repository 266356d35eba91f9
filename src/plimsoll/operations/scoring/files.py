"""Input files: what they hold, cut into chunks of whole row groups. A CSV becomes Parquet first, as text says what it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from plimsoll.errors import UsageError
from plimsoll.operations.scoring.job import Chunk, Input
from plimsoll.operations.scoring.questions import check_types
from plimsoll.serving import Form
from plimsoll.store import unavailable

if TYPE_CHECKING:
    import pyarrow as pa  # type: ignore[import-untyped]

CHUNK_ROWS = 250_000
"""Rows of a chunk, at least, unless its file ends: small enough to lose, large enough to be worth a file."""
GROUP_ROWS = 100_000
"""Rows of a row group that a CSV becomes."""
KINDS = {"text": "string", "number": "float64", "integer": "int64", "boolean": "bool", "time": "string"}


def taken(paths: Sequence[Path], form: Form, kept: Sequence[str], folder: Path) -> tuple[Input, ...]:
    """The inputs, each checked against the questions' form. What a CSV becomes is put into ``folder``.

    Raises UsageError for a file that is not there, is neither Parquet nor CSV, or has other columns.
    """
    arrow()
    found = []
    for n, path in enumerate(paths):
        try:
            stat = path.stat()
        except FileNotFoundError:
            raise UsageError(f"there is no file {path}") from None
        rows_path = path if path.suffix != ".csv" else _converted(path, folder / f"input-{n:03d}.parquet", form)
        with opened(rows_path) as file:
            check_types(file.schema_arrow, form, kept, str(path))
            rows = file.metadata.num_rows
        found.append(
            Input(
                path=str(path.absolute()),
                rows_path=str(rows_path.absolute()),
                size_bytes=stat.st_size,
                modified_ns=stat.st_mtime_ns,
                rows=rows,
            )
        )
    _check_alike(found, kept)
    return tuple(found)


def opened(path: Path) -> Any:
    """A Parquet file, open. Raises UsageError if it is none."""
    import pyarrow as pa
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    try:
        return parquet.ParquetFile(path)
    except pa.ArrowInvalid as error:
        reason = str(error).partition(".")[0]
        raise UsageError(f"{path} is no Parquet file: {reason}", hint="inputs end in .parquet or .csv") from error


def arrow() -> None:
    """Raises UsageError where pyarrow is not installed."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError(
            "scoring files needs pyarrow, which is not installed", hint="pip install 'plimsoll[features]'"
        ) from error


def chunks_of(inputs: Sequence[Input], size: int = CHUNK_ROWS) -> tuple[Chunk, ...]:
    """Consecutive row groups together until there are ``size`` rows; never of two files."""
    found: list[Chunk] = []
    for n, given in enumerate(inputs):
        with opened(Path(given.rows_path)) as file:
            sizes = [file.metadata.row_group(g).num_rows for g in range(file.metadata.num_row_groups)]
        for groups in _gathered(sizes, size):
            rows = sum(sizes[g] for g in groups)
            found.append(Chunk(n=len(found), input=n, groups=groups, rows=rows))
    return tuple(found)


def _gathered(sizes: Sequence[int], size: int) -> Iterator[tuple[int, ...]]:
    groups: list[int] = []
    for group, rows in enumerate(sizes):
        groups.append(group)
        if sum(sizes[g] for g in groups) >= size or rows >= size:
            yield tuple(groups)
            groups = []
    if groups:
        yield tuple(groups)


def _check_alike(inputs: Sequence[Input], kept: Sequence[str]) -> None:
    """The columns that go into the output have one type in all files."""
    types: dict[str, tuple[Any, str]] = {}
    for given in inputs:
        with opened(Path(given.rows_path)) as file:
            schema = file.schema_arrow
        for name in kept:
            kind, first = types.setdefault(name, (schema.field(name).type, given.path))
            if schema.field(name).type != kind:
                raise UsageError(
                    f"the column {name!r} holds {kind} in {first} and {schema.field(name).type} in {given.path}",
                    hint="score them one by one, or cast one of them",
                )


def _converted(path: Path, target: Path, form: Form) -> Path:
    """The rows of a CSV as Parquet, of the types that the questions' form says; columns that it does not know are text.

    An empty field is null; a quoted empty one is empty text. Times stay text: they are read as a caller's are.
    """
    import pyarrow as pa
    import pyarrow.csv as csv  # type: ignore[import-untyped]
    import pyarrow.parquet as parquet

    if target.exists():
        return target
    target.parent.mkdir(parents=True, exist_ok=True)
    kinds: Mapping[str, pa.DataType] = {
        name: pa.type_for_alias(KINDS[entry.kind]) for name, entry in form.entries.items()
    }
    with path.open(encoding="utf-8-sig", newline="") as file:
        header = _header(file.readline(), path)
    options = csv.ConvertOptions(
        column_types={name: kinds.get(name, pa.string()) for name in header},
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    aside = target.with_suffix(".aside")
    try:
        with csv.open_csv(path, convert_options=options) as rows, parquet.ParquetWriter(aside, rows.schema) as writer:
            for table in _tables(rows):
                writer.write_table(table)
    except pa.ArrowInvalid as error:
        raise UsageError(f"{path} cannot be read as CSV: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise unavailable("reading a CSV", target, error) from error
    aside.rename(target)
    return target


def _header(line: str, path: Path) -> list[str]:
    import csv

    names = next(csv.reader([line]), [])
    if not names:
        raise UsageError(f"{path} is empty", hint="its first line names the columns")
    return names


def _tables(rows: Any) -> Iterator[pa.Table]:
    """Blocks of a CSV, gathered into row groups."""
    import pyarrow as pa

    gathered: list[Any] = []
    for batch in rows:
        gathered.append(batch)
        if sum(len(b) for b in gathered) >= GROUP_ROWS:
            yield pa.Table.from_batches(gathered)
            gathered = []
    if gathered:
        yield pa.Table.from_batches(gathered)
