"""What is to be scored, as one document: all that the answers follow from, and nothing else."""

from __future__ import annotations

import msgspec

from plimsoll.kernel.digest import canonical, digest_bytes
from plimsoll.kernel.ports import ReleaseRow


class Input(msgspec.Struct, frozen=True, kw_only=True):
    """A file of questions as it was when the job began; ``rows_path`` is the Parquet file that is read."""

    path: str
    rows_path: str
    size_bytes: int
    modified_ns: int
    rows: int


class Chunk(msgspec.Struct, frozen=True, kw_only=True):
    """Some consecutive row groups of one input: what one process scores at a time."""

    n: int
    input: int
    groups: tuple[int, ...]
    rows: int


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One scoring. ``asked_at_us`` is when rows are asked that do not say it themselves; ``feeds`` are the local files of
    the snapshots that views read, by the feed's name; ``kept`` are the columns that go into the output as they are."""

    folder: str
    objects: str
    trust: str  # the folder of the keys whose code is run
    release: ReleaseRow
    previous: ReleaseRow | None = None  # who may stand in, if the release's rule says so
    inputs: tuple[Input, ...]
    chunks: tuple[Chunk, ...]
    kept: tuple[str, ...]
    asked_at_us: int
    feeds: dict[str, tuple[str, ...]] = {}
    format: str = "parquet"

    @property
    def rows(self) -> int:
        return sum(chunk.rows for chunk in self.chunks)

    @property
    def identity(self) -> str:
        """Equal for two jobs that give the same bytes. When it began is not part of it: going on keeps the first."""
        plain = msgspec.to_builtins(msgspec.structs.replace(self, asked_at_us=0))
        return digest_bytes(canonical(plain))


class Done(msgspec.Struct, frozen=True, kw_only=True, tag="done"):
    """A chunk that is scored: its file has this digest."""

    n: int
    rows: int
    errors: int
    digest: str


class Failure(msgspec.Struct, frozen=True, kw_only=True, tag="failure"):
    """Why a chunk could not be scored: the error's name in the tree, and what it says."""

    error: str
    message: str
    hint: str = ""
