"""The catalog's tables. Times are whole microseconds since the epoch; documents are JSON text.

Text and not JSONB, because a ledger line must come back exactly as it was written. A change here needs a migration
(``migrations/versions``) and a new ``revision.REVISION``; a test holds tables and migrations together.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

version = Table(
    "alembic_version",
    metadata,
    Column("version_num", String(32), nullable=False),
    PrimaryKeyConstraint("version_num", name="alembic_version_pkc"),
)

releases = Table(
    "releases",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=True),
    Column("digest", String(64), nullable=False, unique=True),
    Column("capability", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("manifest", Text, nullable=False),
    Column("gate", Text, nullable=False),
    Column("report", Text, nullable=False),
    Index("releases_of_capability", "capability", "label"),
)

snapshots = Table(
    "snapshots",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("digest", String(64), nullable=False, index=True),
    Column("files", Text, nullable=False),
    Column("rows", BigInteger, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
)

runs = Table(
    "runs",
    metadata,
    Column("key", String(64), primary_key=True),
    Column("step", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("outputs", Text, nullable=False),
    Column("finished_at", BigInteger, nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("capability", Text, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("document", Text, nullable=False),
)

incidents = Table(
    "incidents",
    metadata,
    Column("id", Text, primary_key=True),
    Column("capability", Text, nullable=False, index=True),
    Column("kind", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("opened_at", BigInteger, nullable=False),
    Column("closed_at", BigInteger),
    Column("details", Text, nullable=False),
)

ledger = Table(
    "ledger",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("previous", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", BigInteger, nullable=False),
    Column("capability", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("summary", Text, nullable=False),
    Column("actor", Text, nullable=False),
    Column("body", Text, nullable=False),
    UniqueConstraint("previous", name="ledger_is_a_chain"),
    Index("ledger_of_capability", "capability", "seq"),
    Index("ledger_of_subject", "subject", "seq"),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("token", BigInteger, nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

access_keys = Table(
    "access_keys",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("priority", Text, nullable=False),
    Column("scopes", Text, nullable=False),
    Column("secrets", Text, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("expires_at", BigInteger),
    Column("revoked_at", BigInteger),
    Column("last_used_at", BigInteger),
)

access_version = Table(
    "access_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
)
"""One row: grows with every change of a key, so that a server asks for one number and not for all keys."""

feeds = Table(
    "feeds",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("seq", BigInteger, nullable=False),
)
"""The number of the last batch of each dataset, which stays when the batch is folded."""

pushed = Table(
    "pushed",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("file", String(64), nullable=False),
    Column("rows", BigInteger, nullable=False),
)

pushed_ids = Table(
    "pushed_ids",
    metadata,
    Column("dataset", Text, primary_key=True),
    Column("id", Text, primary_key=True),
    Column("at", BigInteger, nullable=False),
)
