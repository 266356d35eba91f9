"""The same objects on S3, GCS, Azure, or anything else that obstore speaks to: ``s3://bucket/prefix``."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from plimsoll.errors import Unavailable, UsageError
from plimsoll.kernel.digest import digest_bytes, short
from plimsoll.store.objects import checked, faults_of, legal_digest, missing

if TYPE_CHECKING:
    from obstore.store import ObjectStore

_FOLDER = "objects"


class ObstoreObjects:
    """The port ``Objects`` over a store's URL. Puts are create-only: the store itself refuses to write twice.

    Credentials come from where the cloud's own tools take them (environment, instance); none passes through here.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = _opened(url)

    def put(self, data: bytes) -> str:
        import obstore
        from obstore.exceptions import AlreadyExistsError, BaseError

        digest = digest_bytes(data)
        try:
            with suppress(AlreadyExistsError):
                obstore.put(self._store, self._path(digest), data, mode="create")
        except (BaseError, OSError) as error:
            raise _unavailable(f"keeping the object {short(digest)}", self._url, error) from error
        return digest

    def get(self, digest: str) -> bytes:
        import obstore
        from obstore.exceptions import BaseError

        try:
            data = bytes(obstore.get(self._store, self._path(digest)).bytes())
        except FileNotFoundError:
            raise missing(digest, self._url) from None
        except (BaseError, OSError) as error:
            raise _unavailable(f"reading the object {short(digest)}", self._url, error) from error
        return checked(digest, data, self._url)

    def has(self, digest: str) -> bool:
        import obstore

        try:
            obstore.head(self._store, self._path(digest))
        except FileNotFoundError:
            return False
        return True

    def digests(self) -> Iterator[str]:
        yield from sorted(name for name, _ in self._listed())

    def delete(self, digest: str) -> None:
        import obstore

        with suppress(FileNotFoundError):
            obstore.delete(self._store, self._path(digest))

    def verify(self) -> Iterator[str]:
        yield from faults_of(self, self.digests())

    def written_since(self, moment: datetime) -> frozenset[str]:
        """Objects put since ``moment`` by the store's clock: a collection spares them."""
        return frozenset(name for name, at in self._listed() if at >= moment)

    def _listed(self) -> Iterator[tuple[str, datetime]]:
        import obstore

        for batch in obstore.list(self._store, prefix=_FOLDER):
            for item in batch:
                yield PurePosixPath(item["path"]).name, item["last_modified"]

    def _path(self, digest: str) -> str:
        return f"{_FOLDER}/{legal_digest(digest)[:2]}/{digest}"


def _opened(url: str) -> ObjectStore:
    from obstore.exceptions import BaseError
    from obstore.store import from_url

    try:
        return from_url(url)
    except (BaseError, ValueError) as error:
        raise UsageError(
            f"{url!r} is no place for objects: {error}", hint="for example s3://bucket/prefix, or a local folder"
        ) from error


def _unavailable(what: str, url: str, error: Exception) -> Unavailable:
    return Unavailable(f"{what} failed at {url}: {error}", hint="check the network and the store's credentials")
