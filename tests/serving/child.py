"""A serving process of its own, to be killed: serves what FOLDER's catalog says is deployed; prints its port.

``python -m serving.child FOLDER DURABILITY``, with ``tests`` on the path.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Literal

from plimsoll.serving import Counter, House, Server, ServerSettings
from plimsoll.store import LocalObjects, MemoryOnline, SegmentLog, SqlCatalog
from serving.conftest import toy
from serving.running import WallClock, declared_in


def main(folder: Path, durability: Literal["disk", "process"]) -> None:
    objects, online = LocalObjects(folder / "objects"), MemoryOnline()
    log = SegmentLog(folder / "events", durability=durability)
    house = House(
        catalog=SqlCatalog(f"sqlite:///{folder / 'catalog.db'}"),
        objects=objects,
        log=log,
        online=online,
        clock=WallClock(),
        settings=ServerSettings(port=0),
    )
    server = Server([Counter(declared_in(toy(), folder), house)], house)
    listener = server.listen()
    print(listener.getsockname()[1], flush=True)  # noqa: T201 - how the parent learns it
    server.serve(listener)


if __name__ == "__main__":
    main(Path(sys.argv[1]), "disk" if sys.argv[2] == "disk" else "process")
