"""Runs inside the transaction, and so under the write lock, of whoever opens the catalog."""

from alembic import context

from plimsoll.store.catalog.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
