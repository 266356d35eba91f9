"""A release's report as a file that a browser opens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from plimsoll.app import Home


def report_file(home: Home, capability: str, release: str) -> str:
    """Its path, written anew from what is kept; "" where there is no report."""
    digest = home.catalog.release(capability, release).report
    if not digest:
        return ""
    path = home.settings.home / "reports" / f"{release[:12]}.html"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(home.objects.get(digest))
    return str(path)
