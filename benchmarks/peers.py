"""Peers live in environments of their own, so that what they pin cannot touch what we measure.

An environment is named by the digest of its requirements: asked for again, it is there.
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
from typing import Any

from rich.console import Console

from plimsoll.errors import Broken, Unavailable

ENVIRONMENTS = Path(__file__).parent / ".envs"
READY = ".ready"
"""Written last: an environment without it was not finished, and is made again."""

_STATUS = Console(stderr=True)


def env(*requirements: str) -> Path:
    """The python of an environment with ``requirements`` (such as ``"pandas==2.*"``), made if it is not there yet.

    Shows pip's progress. Raises Unavailable if pip cannot install them (no network, no such version).
    """
    digest = hashlib.sha256("\n".join([sys.version, *sorted(requirements)]).encode()).hexdigest()[:16]
    folder = ENVIRONMENTS / digest
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    if (folder / READY).exists():
        return python
    _STATUS.print(f"[bold]==>[/bold] peers: {', '.join(requirements)} into {folder}")
    venv.create(folder, clear=True, with_pip=True, symlinks=os.name != "nt")
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "install", "--progress-bar", "on"]
    done = subprocess.run([*pip, *requirements], stdout=sys.stderr, check=False)
    if done.returncode:
        raise Unavailable(
            f"pip could not install the peers {', '.join(requirements)} (exit code {done.returncode})",
            hint="what it said stands above; check the network, and run again",
            retry_after_s=60,
        )
    (folder / READY).write_text("\n".join(requirements) + "\n", encoding="utf-8")
    return python


def run(
    python: Path,
    script: Path,
    *arguments: str,
    env_vars: Mapping[str, str] | None = None,
    timeout_s: float = 600.0,
) -> Any:
    """Run ``script`` in the environment of ``python`` and return the JSON that its last line of output is.

    The script is a file of its own that imports the peer and prints one JSON value at the end. Raises Broken with
    the end of its error output if it fails, and Unavailable if it takes longer than ``timeout_s``.
    """
    command: Sequence[str] = [str(python), "-I", str(script), *arguments]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTHON")} | dict(env_vars or {})
    try:
        done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired as error:
        raise Unavailable(f"the peer {script.name} did not end within {timeout_s:g} s") from error
    if done.returncode:
        raise Broken(f"the peer {script.name} ended with {done.returncode}:\n{done.stderr[-2000:]}")
    lines = done.stdout.strip().splitlines()
    if not lines:
        raise Broken(f"the peer {script.name} printed nothing; its last line should be JSON")
    try:
        return json.loads(lines[-1])
    except json.JSONDecodeError as error:
        raise Broken(f"the peer {script.name} ended with {lines[-1][:200]!r}, which is not JSON") from error
