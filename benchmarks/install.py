"""What the core weighs and how long a person waits for a command: an environment with the locked core and nothing else.

Of three commands on a home that a rehearsal left. The peer is MLflow's command line in an environment of its own
(``mlflow-skinny``: the client, without its server and without NumPy). Medians of processes started in turn, ours and
the peer's, Python's own start included.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import venv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks import peers
from benchmarks.rehearsal import ROOT, rehearsed
from benchmarks.table import Row, at_most
from benchmarks.timing import once_s
from plimsoll.errors import Broken, Unavailable

LOCK = ROOT / "requirements" / "core.txt"
PEER = "mlflow-skinny==3.*"
REPEATS = 11
HELP_MS, LOOK_MS = 150.0, 350.0


def run() -> list[Row]:
    """A minute and a half, once the environments are there; two thirds of it is the rehearsal."""
    ours, theirs = core(), peers.env(PEER).parent
    with TemporaryDirectory(prefix="plimsoll-bench-") as folder:
        made = rehearsed("2013-04-01", home=Path(folder))
        home = next((Path(folder) / "rehearsals").iterdir())
        return [*_weight(ours, theirs), *_waits(ours, theirs, home, int(made.story["ledger_lines"]))]


def core() -> Path:
    """The ``bin`` of an environment with the locked core, kept, and Plimsoll as the wheel of now; without pip."""
    digest = hashlib.sha256(sys.version.encode() + LOCK.read_bytes()).hexdigest()[:16]
    folder = peers.ENVIRONMENTS / f"core-{digest}"
    binaries = folder / ("Scripts" if os.name == "nt" else "bin")
    install = ("--python", str(binaries / "python"), "install", "--no-deps")
    if not (folder / peers.READY).exists():
        venv.create(folder, clear=True, with_pip=False, symlinks=os.name != "nt")
        _pip(*install, "--require-hashes", "-r", str(LOCK))
        (folder / peers.READY).touch()
    with TemporaryDirectory(prefix="plimsoll-wheel-") as built:
        _pip("wheel", "--no-deps", "--no-build-isolation", "-w", built, str(ROOT))
        _pip(*install, "--force-reinstall", *map(str, Path(built).glob("*.whl")))
    return binaries


def _pip(*arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    done = subprocess.run([*pip, *arguments], stdout=sys.stderr, check=False)
    if done.returncode:
        raise Unavailable(
            f"pip {arguments[0]} ended with {done.returncode} while the core environment was made",
            hint="what it said stands above; check the network, and run again",
            retry_after_s=60,
        )


# ── weight ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def _weight(ours: Path, theirs: Path) -> list[Row]:
    here, there = _installed(ours), _installed(theirs)
    skinny = "mlflow-skinny brings no NumPy, no database and no data engine"
    return [
        at_most("core install", here[0], 260.0, "MB", peer="mlflow-skinny", peer_value=there[0], note=skinny),
        at_most("packages of the core install", here[1], 40.0, "", peer="mlflow-skinny", peer_value=there[1]),
    ]


def _installed(binaries: Path) -> tuple[float, float]:
    """(MB of all files, compiled ones included; packages), leaving out what the environment itself came with."""
    packages = next(binaries.parent.glob("lib*/python*/site-packages"), binaries.parent / "Lib" / "site-packages")
    files = (f for f in packages.rglob("*") if f.is_file() and f.relative_to(packages).parts[0] not in _ITS_OWN)
    names = [n for n in packages.glob("*.dist-info") if n.name.partition("-")[0] not in _ITS_OWN]
    return sum(f.stat().st_size for f in files) / 1e6, float(len(names))


_ITS_OWN = ("pip", "setuptools", "_distutils_hack", "pkg_resources", "distutils-precedence.pth")


# ── waits ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _waits(ours: Path, theirs: Path, home: Path, lines: int) -> list[Row]:
    tool, at = str(ours / "plimsoll"), ("--home", str(home))
    live = json.loads(_said([tool, "status", *at, "--json"]))["capabilities"][0]["live"]["release"]
    commands = {
        "plimsoll --help": [tool, "--help"],
        "plimsoll status": [tool, "status", *at],
        "plimsoll log": [tool, "log", *at],
        "plimsoll log --at": [tool, "log", "--at", "2013-03-15T12:00", *at],
        "plimsoll explain, the live release": [tool, "explain", live, *at],
    }
    took = _medians_ms({**commands, PEER: [str(theirs / "mlflow"), "--help"]})
    helped, *looked = commands
    return [
        at_most(helped, took[helped], HELP_MS, "ms", peer="mlflow --help", peer_value=took[PEER]),
        *(at_most(what, took[what], LOOK_MS, "ms", note=f"a ledger of {lines} lines") for what in looked),
    ]


def _medians_ms(commands: Mapping[str, Sequence[str]]) -> dict[str, float]:
    """The median of ``REPEATS`` processes of each, in turn, after one that is not counted."""
    for command in commands.values():
        _said(command)
    rounds = [{what: once_s(lambda c=c: _said(c)) for what, c in commands.items()} for _ in range(REPEATS)]  # type: ignore[misc]
    return {what: 1e3 * median(one[what] for one in rounds) for what in commands}


def _said(command: Sequence[str]) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise Broken(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    return done.stdout
