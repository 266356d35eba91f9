"""``plimsoll features push``: rows out of the files that people have, kept once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from plimsoll.cli import main
from plimsoll.scaffold import sample_plan, write


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    write(sample_plan("orders", "binary"), folder := tmp_path / "orders")
    return folder


def push(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, Any]:
    code = main(["features", "push", "orders", *words, "--path", str(folder), "--home", str(folder / "h"), "--json"])
    said = capsys.readouterr()
    return code, json.loads(said.out or said.err)


def test_a_csv_is_pushed_once(capsys: pytest.CaptureFixture[str], orders: Path) -> None:
    """And a second time, nothing is taken; the same rows as JSON lines or Parquet are the same rows."""
    import duckdb

    text = str(next((orders / "data").glob("*.csv")))
    code, first = push(capsys, orders, text)
    assert code == 0 and first["accepted"] > 100 and first["duplicate"] == 0
    code, again = push(capsys, orders, text)
    assert (code, again["accepted"], again["duplicate"]) == (0, 0, first["accepted"])
    for name, options in (("rows.jsonl", "FORMAT json"), ("rows.parquet", "FORMAT parquet")):
        duckdb.sql(f"COPY (FROM read_csv('{text}', all_varchar=true)) TO '{orders / name}' ({options})")
        assert push(capsys, orders, str(orders / name))[1]["duplicate"] == first["accepted"]


def test_bad_rows_are_exit_code_1(capsys: pytest.CaptureFixture[str], orders: Path) -> None:
    """With their reasons and where they are."""
    (orders / "bad.jsonl").write_text('{"order_id": "x"}\n\n')
    code, said = push(capsys, orders, str(orders / "bad.jsonl"), "--id-column", "order_id")
    assert code == 1 and said["quarantined"] == 1 and said["reasons"] and Path(said["quarantine"]).is_file()


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("rows.txt", "", "none of .csv"),
        ("rows.jsonl", "{}\n[1]\n", "line 2"),
        ("rows.parquet", "no parquet", "no Parquet file"),
        ("nowhere.csv", None, "no file"),
    ],
)
def test_a_file_that_is_none_is_wrong_usage(
    capsys: pytest.CaptureFixture[str], orders: Path, name: str, content: str | None, word: str
) -> None:
    if content is not None:
        (orders / name).write_text(content)
    code, said = push(capsys, orders, str(orders / name))
    assert code == 2 and word in said["error"]


def test_a_row_without_its_id_is_wrong_usage(capsys: pytest.CaptureFixture[str], orders: Path) -> None:
    (orders / "rows.jsonl").write_text('{"order_id": "x"}\n')
    code, said = push(capsys, orders, str(orders / "rows.jsonl"), "--id-column", "order")
    assert code == 2 and "'order'" in said["error"] and "order_id" in said["hint"]
