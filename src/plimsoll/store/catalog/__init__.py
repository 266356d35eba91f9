"""The catalog: what is known and what was decided, behind SQL."""

from plimsoll.store.catalog.sql import SqlCatalog

__all__ = ["SqlCatalog"]
