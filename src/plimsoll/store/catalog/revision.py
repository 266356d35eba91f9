"""Which tables this Plimsoll's catalog has."""

REVISION = "0002"
"""The migration that ``tables`` are the result of."""
