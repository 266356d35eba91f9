"""Exit codes, errors for people and for machines, and how long the first word takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from plimsoll.cli import main
from plimsoll.cli.inventory import COMMANDS

PLIMSOLL = [sys.executable, "-m", "plimsoll.cli"]
HEAVY = ("numpy", "sqlalchemy", "duckdb", "pandas", "sklearn", "onnxruntime", "ibis", "altair", "starlette")


@pytest.mark.parametrize("command", [c.name for c in COMMANDS])
def test_every_command_has_help_with_an_example(run, command):
    """`--help` says what it does, shows a command line, and offers --json and --home."""
    ran = run(command, "--help")
    assert ran.code == 0 and f"Example: plimsoll {command}" in " ".join(ran.out.split())
    if command not in ("rollout", "keys", "features", "trust"):  # whose options belong to their second word
        assert "--json" in ran.out and "--home" in ran.out


def test_the_first_screen_names_every_command(run):
    """`plimsoll` alone and `plimsoll --help` are the same screen."""
    assert run().out == run("--help").out
    assert all(f"  {c.name} " in run("--help").out for c in COMMANDS)


def test_a_slip_in_a_command_names_the_nearest(run):
    """Wrong usage is exit code 2, without a traceback."""
    ran = run("statsu")
    assert ran.code == 2 and "did you mean 'status'?" in ran.err and "Traceback" not in ran.err


def test_a_slip_in_an_option_names_the_nearest(run):
    """The parser's errors are told like ours."""
    ran = run("status", "--jsno")
    assert ran.code == 2 and "--json" in ran.err and "plimsoll status --help" in ran.err


def test_errors_for_machines_are_one_document_on_stderr(run, tmp_path):
    """With --json the error has error, hint, exit_code and details, and stdout stays empty."""
    ran = run("status", "--json", "--home", tmp_path / "none")
    assert ran.out == "" and set(ran.error) == {"error", "hint", "exit_code", "details"}
    assert ran.error["exit_code"] == ran.code == 2


def test_an_unforeseen_exception_is_broken_and_its_traceback_is_kept(run, monkeypatch):
    """Exit code 4, one short sentence, and a file with the rest."""
    monkeypatch.setattr("plimsoll.cli.reading.look", lambda settings: 1 / 0)
    ran = run("status", "--json")
    assert ran.code == 4 and "ZeroDivisionError" in ran.error["error"]
    assert "Traceback" in Path(ran.error["details"]["traceback"]).read_text()


def test_an_interrupt_is_130(run, monkeypatch):
    """Ctrl-C is not an error of ours."""

    def interrupt(settings):
        raise KeyboardInterrupt

    monkeypatch.setattr("plimsoll.cli.reading.look", interrupt)
    assert run("status").code == 130


def test_help_loads_nothing_heavy():
    """Neither the first screen nor a command's help imports a data, model, SQL or web library."""
    script = (
        "import sys; from plimsoll.cli import main; main(['--help']); main(['release', '--help']); "
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    ran = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert ran.stderr.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "limit_s"),
    [(["--help"], 0.15), (["statsu"], 0.15), (["release", "--help"], 0.3), (["status", "--jsno"], 0.3)],
)
def test_the_first_words_are_instant(arguments, limit_s):
    """Processor time, the least of five runs; twice the target where a parser is loaded, for a busy machine's sake."""
    assert min(_processor_s(arguments) for _ in range(5)) < limit_s


def _processor_s(arguments: list[str]) -> float:
    """What a command costs, whoever else is busy."""
    child = subprocess.Popen([*PLIMSOLL, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    return used.ru_utime + used.ru_stime


def test_a_real_process_speaks_json(home):
    """The installed command, run as a script would: exit code 0 and one document."""
    ran = subprocess.run([*PLIMSOLL, "status", "--json", "--home", home.path], capture_output=True, check=True)
    assert json.loads(ran.stdout)["capabilities"][0]["capability"] == "returns"


def test_main_takes_its_arguments_from_the_process(monkeypatch, capsys):
    """Without arguments it reads the command line."""
    monkeypatch.setattr(sys, "argv", ["plimsoll", "--version"])
    assert main() == 0 and capsys.readouterr().out.startswith("plimsoll ")
