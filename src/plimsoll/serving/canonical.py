"""What two questions must have in common to have the same answer, as bytes: the key of an answer that is kept."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any

import msgspec

_encoder = msgspec.msgpack.Encoder(order="deterministic")


def key_of(release: str, tenant: str, inputs: Mapping[str, Any], asked_at: datetime) -> bytes:
    """16 bytes over the release, the tenant and the columns that the caller sent, in any order.

    The time of asking is left out where the server filled it in: it is another one at every question.
    """
    sent = {name: value for name, value in inputs.items() if value is not asked_at}
    return blake2b(_encoder.encode((release, tenant, sent)), digest_size=16).digest()
