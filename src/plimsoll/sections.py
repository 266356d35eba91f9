"""Sections of the settings about who may ask."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """``[access]``: who may ask."""

    pepper: Annotated[
        str, Meta(description="File of the pepper that keys are hashed with; empty is `access/pepper` in the home.")
    ] = ""
