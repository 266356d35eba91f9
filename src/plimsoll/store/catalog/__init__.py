"""The catalog: what is known and what was decided, behind SQL.

``SqlCatalog`` reads and writes; ``SqliteReader`` looks. The room offers both; importing one does not load the other.
"""
