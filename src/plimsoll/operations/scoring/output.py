"""The output: parts in their order, as one Parquet or CSV file. The same parts give the same bytes."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

from plimsoll.errors import UsageError
from plimsoll.operations.scoring.job import Job

FORMATS = {".parquet": "parquet", ".csv": "csv"}


def format_of(out: Path) -> str:
    """By the name's end. Raises UsageError for another one."""
    if out.suffix not in FORMATS:
        raise UsageError(f"{out} is neither a Parquet nor a CSV file", hint="let --out end in .parquet or .csv")
    return FORMATS[out.suffix]


class Output:
    """Written aside, part by part; a file under its real name once it is complete and flushed."""

    def __init__(self, job: Job, aside: Path) -> None:
        self._job, self._aside = job, aside
        self._writer: Any = None

    def add(self, part: Path) -> None:
        """The rows of one part, as one row group."""
        import pyarrow as pa  # type: ignore[import-untyped]

        with pa.memory_map(str(part)) as source, pa.ipc.open_file(source) as reader:
            if self._writer is None:
                self._writer = self._opened(reader.schema)
            table = reader.read_all()
            if self._job.format == "csv":
                self._writer.write_table(table)
            else:
                self._writer.write_table(table, row_group_size=max(1, len(table)))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._writer is not None:
            self._writer.close()

    def _opened(self, schema: Any) -> Any:
        if self._job.format == "csv":
            import pyarrow.csv as csv  # type: ignore[import-untyped]

            return csv.CSVWriter(str(self._aside), schema)
        import pyarrow.parquet as parquet  # type: ignore[import-untyped]

        note = {"plimsoll.capability": self._job.release.capability, "plimsoll.release": self._job.release.digest}
        return parquet.ParquetWriter(
            self._aside,
            schema.with_metadata(note),
            compression="zstd",
            compression_level=1,
            use_dictionary=["action", "reason", "error"],
        )
