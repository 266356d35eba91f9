"""The one place that wires adapters to ports: an opened home, and what serves it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.app.folders import capabilities_in, common
    from plimsoll.app.home import WRITERS, Home, WallClock, open_home
    from plimsoll.app.service import Part, serve
    from plimsoll.app.workers import serve_with_workers

__all__ = [
    "WRITERS",
    "Home",
    "Part",
    "WallClock",
    "capabilities_in",
    "common",
    "open_home",
    "serve",
    "serve_with_workers",
]

_HOMES = {
    "WRITERS": "home",
    "Home": "home",
    "Part": "service",
    "WallClock": "home",
    "capabilities_in": "folders",
    "common": "folders",
    "open_home": "home",
    "serve": "service",
    "serve_with_workers": "workers",
}

__getattr__ = names_of(__name__, _HOMES)
