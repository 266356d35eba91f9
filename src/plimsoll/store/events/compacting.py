"""A process that compacts and goes: ``python -m plimsoll.store.events.compacting FOLDER``, at the lowest priority.

Apart from the serving process, because encoding a segment's rows takes the interpreter for seconds. It may be killed
at any moment.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from plimsoll.errors import Unavailable
from plimsoll.store.events.compaction import compact

LOWEST_PRIORITY = 19


def main(folder: str) -> int:
    """The names of the files that were made, a line each; 3 and a sentence where it could not."""
    os.nice(LOWEST_PRIORITY)
    try:
        made = compact(Path(folder))
    except Unavailable as error:
        sys.stderr.write(f"{error.message}\n")
        return 3
    sys.stdout.writelines(f"{Path(path).name}\n" for path in made)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
