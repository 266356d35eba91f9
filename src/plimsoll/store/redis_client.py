"""A client of Redis as this house wants one: a deadline on every call, and no more connections than are of use."""

from __future__ import annotations

from typing import Any

from plimsoll.errors import UsageError

_MOST_CONNECTIONS = 16
"""Of one client: as many threads as ever call it at once."""


def redis_client(url: str, *, timeout_s: float, again: int = 0) -> Any:
    """Redis at ``url``, which need not be there yet. A broken connection is tried ``again`` times on a new one, without a
    pause; a call that is late is not.

    Raises UsageError for a URL that is none, and where the library is not installed.
    """
    try:
        from redis import Redis
        from redis.backoff import NoBackoff
        from redis.exceptions import ConnectionError as Broken
        from redis.retry import Retry
    except ModuleNotFoundError as error:
        raise UsageError(
            "Redis needs its client, which is not installed", hint="pip install 'plimsoll[redis]'"
        ) from error
    try:
        return Redis.from_url(
            url,
            socket_timeout=timeout_s,
            socket_connect_timeout=timeout_s,
            retry=Retry(NoBackoff(), again, supported_errors=(Broken,)),
            max_connections=_MOST_CONNECTIONS,
        )
    except ValueError as error:
        raise UsageError(f"{url!r} is no Redis URL", hint="for example redis://127.0.0.1:6379/0") from error
