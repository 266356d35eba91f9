"""Who gives a command: what the ledger says of every decision that a person made."""

from __future__ import annotations

import getpass
import os


def actor() -> str:
    """Who gives the command, for the ledger: the user's name, as the system knows it."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"
