"""The door: from a request's headers to a ticket, in about a microsecond where the credential was seen before.

Order: who is it (401), may it do this (403), is there room in the house (503), is there room in its lane (429). What
was verified is kept by a digest of the credential until it expires, or until any key changes.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable

from plimsoll.errors import Refused
from plimsoll.kernel.access import ACTIONS, Action, Scopes
from plimsoll.serving.admission.door import Door, Known
from plimsoll.serving.admission.grants import RANK, Grant, Grants
from plimsoll.serving.admission.headers import Headers, credential_of, priority_of, read, timeout_of
from plimsoll.serving.admission.keytable import KeyTable
from plimsoll.serving.admission.lanes import Lane, Lanes
from plimsoll.serving.admission.loopback import from_this_machine, only_here
from plimsoll.serving.admission.overload import Overload
from plimsoll.serving.admission.sharing import SharedLimits
from plimsoll.serving.admission.tenant import NOBODYS
from plimsoll.serving.admission.ticket import AdmittedTicket
from plimsoll.serving.admission.tokens import Tokens
from plimsoll.serving.refusals import Unauthenticated

_log = logging.getLogger(__name__)
_NOTE_EVERY_S = 60.0
_MOST_WAYS = 1_000


class Admission:
    """Lets requests in. ``keys`` and ``tokens`` are what verifies; with neither, everybody may ask and tell.

    ``refresh`` is to be called a few times a second, from any thread; ``close`` ends what runs beside.
    """

    def __init__(
        self,
        *,
        overload: Overload,
        lanes: Lanes,
        keys: KeyTable | None = None,
        tokens: Tokens | None = None,
        shared: SharedLimits | None = None,
        now: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.overload, self.lanes = overload, lanes
        self._keys, self._tokens, self.shared = keys, tokens, shared
        self.required = keys is not None or tokens is not None  # whether every request needs a credential
        self.now, self.monotonic = now, monotonic
        self._grants = Grants()
        self._anybody = Grant(principal="", tenant=NOBODYS, scopes=Scopes(actions=("ask", "tell")))
        self._changing = threading.Lock()
        self.generation = 0  # how often everybody had to be verified again
        self._forgotten = 0
        self._note_at_s = monotonic()

    def admit(
        self,
        headers: Headers,
        capability: str,
        action: Action = "ask",
        *,
        questions: int = 1,
        timeout_s: float = 0.0,
    ) -> AdmittedTicket:
        """The ticket of a request; its ``done`` is to be called when it ended.

        ``timeout_s`` is a deadline that did not come as a header; 0.0 is none. Raises Unauthenticated, Refused, Limited,
        Unavailable or TooLate; UsageError for a header that cannot be read.
        """
        return self.let_in(self.known(headers, capability, action), questions, timeout_s)

    def door(self, headers: Headers, capability: str) -> Door:
        """For requests that ask ``capability`` with these headers."""
        return Door(self, list(headers), capability)

    def known(self, headers: Headers, capability: str, action: Action = "ask") -> Known:
        """Who comes with ``headers``, and that they may. Raises Unauthenticated or Refused; UsageError for a header that
        cannot be read."""
        generation = self.generation
        authorization, api_key, said, timeout = read(headers)
        grant = self._grant(authorization, api_key) if self.required else self._anybody
        timeout_s = 0.0 if timeout is None else timeout_of(timeout)
        priority = grant.priority if said is None else priority_of(said, grant.priority)
        try:
            lane = grant.lanes[capability, action]
        except KeyError:
            lane = self._way(grant, capability, action)
        return Known(grant, priority, lane, timeout_s, generation, RANK[priority], grant.tenant.name)

    def let_in(self, known: Known, questions: int = 1, timeout_s: float = 0.0) -> AdmittedTicket:
        """The ticket of one request of theirs. Raises Limited, Unavailable or TooLate."""
        grant, lane, overload, now_s = known.grant, known.lane, self.overload, self.monotonic()
        if known.timeout_s:
            timeout_s = min(known.timeout_s, timeout_s or math.inf)
        deadline_s = now_s + timeout_s if timeout_s else 0.0
        overload.enter(known.priority, now_s, deadline_s)
        if lane is not None:
            try:
                lane.enter(questions, now_s)
            except BaseException:
                overload.withdraw()
                raise
        grant.used = True
        return AdmittedTicket(
            grant.principal, known.tenant, grant.tenant, known.rank, deadline_s, lane, overload, now_s
        )

    def control(self, headers: Headers, peer: str, action: Action = "operate", capability: str = "") -> AdmittedTicket:
        """The ticket of a control request from the address ``peer``.

        Without access control it must come from this machine, and not through a proxy; with it, from anywhere with the
        scope. A control request is never shed and never limited: it is what ends an overload.
        """
        headers = list(headers)
        if not self.required:
            if not from_this_machine(peer, headers):
                raise only_here()
            return AdmittedTicket("", NOBODYS.name, NOBODYS)
        authorization, api_key, _, _ = read(headers)
        grant = self._grant(authorization, api_key)
        self._check(grant, capability, action)
        return AdmittedTicket(grant.principal, grant.tenant.name, grant.tenant, grant.rank)

    def _grant(self, authorization: bytes | None, api_key: bytes | None) -> Grant:
        """What the credential stands for. It is kept by the header as it came, which is read only at the first time."""
        sent = api_key if authorization is None else authorization
        if sent is not None:
            digest = self._grants.digest(sent)
            grant = self._grants.get(digest)
            if grant is not None and self.now() < grant.expires_at_s:
                grant.used = True
                return grant
            self._grants.drop(digest)
        credential = credential_of(authorization, api_key)
        if credential is None:
            raise Unauthenticated(
                "this needs a credential", hint="send Authorization: Bearer plm_…, or a token of the issuer"
            )
        if authorization is not None and credential is api_key:
            return self._verified(b"", credential)  # beside a header that opens nothing, and must not be kept for it
        return self._verified(digest, credential)

    def _verified(self, digest: bytes, credential: bytes) -> Grant:
        """Verify, and keep under ``digest`` what it stands for, unless the keys changed meanwhile."""
        generation = self.generation
        text = credential.decode("ascii", "replace")
        if self._tokens is not None and text.count(".") == 2:
            grant = self._tokens.grant(text)
        elif self._keys is not None:
            grant = self._keys.grant(text)
        else:
            raise Unauthenticated("this credential opens nothing here")
        with self._changing:
            if digest and generation == self.generation:
                self._grants.keep(digest, grant)
        return grant

    def _way(self, grant: Grant, capability: str, action: Action) -> Lane | None:
        """What limits this grant here; asked once. Raises Refused where its scopes do not allow it at all."""
        self._check(grant, capability, action)
        lane = self.lanes.of(grant.tenant, capability)
        if self.lanes.forgotten != self._forgotten:
            self._forgotten = self.lanes.forgotten
            self._start_over()
        if len(grant.lanes) >= _MOST_WAYS:
            grant.lanes.clear()
        grant.lanes[capability, action] = lane
        return lane

    def _check(self, grant: Grant, capability: str, action: Action) -> None:
        if not grant.scopes.allow(action, capability):
            raise Refused(
                f"{grant.principal or 'who has no key'} may not {action} {capability or 'here'}",
                hint=f"it needs a key with the action {action!r}: plimsoll keys create NAME --action {action}"
                if action in ACTIONS
                else "",
            )

    # ── beside the requests ──────────────────────────────────────────────────────────────────────────────────────

    def refresh(self) -> None:
        """See whether keys, or the issuer's, changed; note which keys are used. Never raises for what is away."""
        changed = self._keys is not None and self._keys.refresh()
        changed |= self._tokens is not None and self._tokens.refresh()
        if changed:
            self._start_over()
        if self._keys is not None and self.monotonic() >= self._note_at_s:
            self._note_at_s = self.monotonic() + _NOTE_EVERY_S
            self._keys.note_used(self._grants.used_keys())

    def _start_over(self) -> None:
        with self._changing:
            self.generation += 1
            self._grants.clear()
            self._anybody.lanes = {}

    def close(self) -> None:
        """Keep when keys were last used, and end what runs beside."""
        if self._keys is not None:
            self._keys.note_used(self._grants.used_keys())
        if self._tokens is not None:
            self._tokens.close()
        if self.shared is not None:
            self.shared.close()
