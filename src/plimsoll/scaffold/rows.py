"""A user's file of rows, asked by SQL: which columns there are, of which types, how many values they have."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from plimsoll.errors import UsageError

_INTEGERS = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT")

TYPES = {
    "BOOLEAN": "boolean",
    "DATE": "date",
    "DOUBLE": "number",
    "FLOAT": "number",
    "TIME": "time",
    "TIMESTAMP": "timestamp",
    "TIMESTAMP WITH TIME ZONE": "timestamp",
    "TIMESTAMP_NS": "timestamp",
    "TIMESTAMP_MS": "timestamp",
    "TIMESTAMP_S": "timestamp",
    "VARCHAR": "string",
    **dict.fromkeys(_INTEGERS, "integer"),
    **{f"U{kind}": "integer" for kind in _INTEGERS},
}
"""DuckDB's types as a contract says them. A column of any other type (a list, a struct) is left out."""


class Seen(NamedTuple):
    """A column as the file shows it."""

    name: str
    type: str
    distinct: int
    nulls: int


class Rows:
    """The file at ``path``. One thread, nothing written. Raises UsageError where it cannot be read."""

    def __init__(self, path: Path) -> None:
        if not path.is_file():
            raise UsageError(f"there is no file {path}", hint="--data takes a CSV or a Parquet file")
        if path.suffix.lower() not in (".csv", ".parquet"):
            raise UsageError(f"{path.name} is neither .csv nor .parquet", hint="save the rows as CSV or Parquet")
        import duckdb

        self.path = path
        self._connection = duckdb.connect(config={"threads": 1})
        reader = "read_parquet" if path.suffix.lower() == ".parquet" else "read_csv"
        self.all(f"CREATE VIEW rows AS SELECT * FROM {reader}({_text(str(path))})")
        self.columns = self._described()
        self.total = self.count("count(*)")
        if not self.total:
            raise UsageError(f"{path} has no rows")

    def all(self, query: str) -> list[tuple[object, ...]]:
        import duckdb

        try:
            return self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise UsageError(f"{self.path} cannot be read: {str(error).splitlines()[0]}") from error

    def one(self, query: str) -> tuple[object, ...]:
        return self.all(query)[0]

    def count(self, expression: str) -> int:
        """A whole number over all rows, such as ``count(*)``."""
        return int(str(self.one(f"SELECT {expression} FROM rows")[0] or 0))

    def _described(self) -> dict[str, Seen]:
        found = {str(row[0]): _type(str(row[1])) for row in self.all("DESCRIBE rows")}
        known = {name: kind for name, kind in found.items() if kind}
        if not known:
            raise UsageError(f"{self.path} has no column of a plain type")
        parts = [f"count(DISTINCT {quoted(n)}), count(*) - count({quoted(n)})" for n in known]
        counts = [int(str(c)) for c in self.one(f"SELECT {', '.join(parts)} FROM rows")]
        return {
            name: Seen(name, kind, counts[2 * i], counts[2 * i + 1]) for i, (name, kind) in enumerate(known.items())
        }


def quoted(column: str) -> str:
    """A column's name as SQL takes it."""
    return '"' + column.replace('"', '""') + '"'


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _type(declared: str) -> str:
    return "number" if declared.startswith("DECIMAL") else TYPES.get(declared, "")
