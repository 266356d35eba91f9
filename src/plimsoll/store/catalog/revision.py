"""Which tables this Plimsoll's catalog has."""

REVISION = "0004"
"""The migration that ``tables`` are the result of."""
