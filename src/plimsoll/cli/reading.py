"""Reading what is there without changing it: a command that only looks never makes a home."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from plimsoll.errors import UsageError, nearest

if TYPE_CHECKING:
    from plimsoll.kernel.ports import Catalog, CatalogReader
    from plimsoll.settings import Settings


@contextmanager
def catalog_of(settings: Settings) -> Iterator[Catalog]:
    """The catalog of a home that exists. Raises UsageError where there is none yet."""
    _must_exist(settings)
    from plimsoll.store import SqlCatalog

    catalog = SqlCatalog(settings.catalog_url)
    try:
        yield catalog
    finally:
        catalog.close()


@contextmanager
def look(settings: Settings) -> Iterator[CatalogReader]:
    """The same, for a command that only looks: an embedded catalog is opened in a fraction of the time."""
    _must_exist(settings)
    from plimsoll.store import SqliteReader

    reader = None if settings.catalog else SqliteReader.at(settings.catalog_file)
    if reader is None:
        with catalog_of(settings) as catalog:
            yield catalog
        return
    try:
        yield reader
    finally:
        reader.close()


def _must_exist(settings: Settings) -> None:
    from plimsoll.store import unfinished

    if (why := unfinished(settings.home)) is not None:
        raise why
    if not settings.catalog and not settings.catalog_file.is_file():
        raise UsageError(
            f"there is no Plimsoll home at {settings.home}",
            hint="run this in a capability's folder, name it with --home, or make one: plimsoll release",
        )


def capabilities_of(catalog: CatalogReader, wanted: str | None) -> Sequence[str]:
    """The capability that was asked for, or all of them. Raises UsageError for a name that is not there."""
    known = catalog.capabilities()
    if wanted is None:
        return known
    if wanted not in known:
        raise UsageError(f"there is no capability named {wanted!r} in this home", hint=nearest(wanted, known))
    return (wanted,)


def only_capability(catalog: CatalogReader, wanted: str | None) -> str:
    """The one capability that is meant. Raises UsageError where the home holds several and none was named."""
    found = capabilities_of(catalog, wanted)
    if len(found) == 1:
        return found[0]
    if not found:
        raise UsageError("no capability has been released in this home", hint="plimsoll release")
    raise UsageError(f"this home holds {len(found)} capabilities", hint=f"name one: --capability {' | '.join(found)}")


def moment(text: str, option: str) -> datetime:
    """A time that a person typed: RFC 3339 or a date; without an offset it is UTC. Raises UsageError."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise UsageError(
            f"{option} {text!r} is not a time", hint="write 2013-09-01, or 2013-09-01T14:30, or 2013-09-01T14:30+02:00"
        ) from None
    return found if found.tzinfo else found.replace(tzinfo=UTC)
