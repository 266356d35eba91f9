"""``python -m fuzz.run TARGET [libFuzzer's options]``: atheris on one target, led by what it covers.

What breaks a promise is written to ``crash-…`` and can be run again by naming the file.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["plimsoll", "uvicorn.protocols", "starlette"]):
    from .targets import TARGETS


def main(name: str, *options: str) -> None:
    """Fuzz ``TARGETS[name]`` from its seeds on."""
    target = TARGETS[name]
    with TemporaryDirectory(prefix="plimsoll-seeds-") as folder:
        for i, seed in enumerate(target.seeds):
            (Path(folder) / str(i)).write_bytes(seed)
        files = [] if any(Path(option).is_file() for option in options) else [folder]
        atheris.Setup(["fuzz", *options, *files], target.run)
        atheris.Fuzz()


if __name__ == "__main__":
    main(*sys.argv[1:])
