"""A small client: ask a question, tell later what turned out; for threads, and for an event loop.

::

    with Client("http://127.0.0.1:8080", "arrival-delay") as client:
        answer = client.ask(flight_id="2013-02-01-UA-1545-EWR", origin="EWR", carrier="UA")
        client.tell(answer.event_id, True)

    async with AsyncClient("http://127.0.0.1:8080", "arrival-delay") as client:
        answer = await client.ask(flight_id="2013-02-01-UA-1545-EWR", origin="EWR", carrier="UA")

It stands alone: ``Client`` needs the standard library and msgspec, ``AsyncClient`` aiohttp (the extra ``client``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.lazy import names_of

if TYPE_CHECKING:
    from plimsoll.client.asynchronous import AsyncClient
    from plimsoll.client.blocking import Client
    from plimsoll.client.exchange import Answered, Told

__all__ = ["Answered", "AsyncClient", "Client", "Told"]

_HOMES = {"Answered": "exchange", "AsyncClient": "asynchronous", "Client": "blocking", "Told": "exchange"}

__getattr__ = names_of(__name__, _HOMES)
