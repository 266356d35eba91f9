"""Tokens of an issuer: what grants, what is refused, and how its keys are followed. The issuer is a real HTTP server."""

from __future__ import annotations

import base64
import hmac
import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey
from joserfc.jws import JWSRegistry

from plimsoll.errors import InvalidDeclaration, Refused, Unavailable
from plimsoll.sections import Access
from plimsoll.serving.admission import IssuerKeys, Tokens
from plimsoll.serving.refusals import Unauthenticated

from .conftest import House, bearer

ALL = JWSRegistry(algorithms=["none", "HS256", "RS256", "PS256", "ES256", "Ed25519"])


class Issuer:
    """An OpenID provider's JWKS endpoint, and the keys behind it."""

    def __init__(self) -> None:
        self.keys: list[Any] = [RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"}, private=True)]
        self.served, self.broken = 0, False
        self.body: bytes | None = None
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.served += 1
                self.send_response(500 if issuer.broken else 302 if self.path == "/moved" else 200)
                if self.path == "/moved":
                    self.send_header("location", "/jwks")
                self.end_headers()
                self.wfile.write(issuer.document)

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/jwks"
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    @property
    def document(self) -> bytes:
        return self.body or json.dumps(KeySet(self.keys).as_dict(private=False)).encode()

    def token(self, house: House, *, key: Any = None, alg: str = "RS256", header: Any = None, **claims: Any) -> str:
        now = int(house.clocks.now())
        said = {
            "iss": "https://id.example",
            "aud": "plimsoll",
            "sub": "alice",
            "tenant": "acme",
            "scope": "openid ask",
            "iat": now,
            "exp": now + 600,
            **claims,
        }
        said = {name: value for name, value in said.items() if value is not None}
        key = key or self.keys[-1]
        return jwt.encode({"alg": alg, "kid": key.kid, **(header or {})}, said, key, registry=ALL)

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    made = Issuer()
    yield made
    made.close()


@pytest.fixture
def tokens(house: House, issuer: Issuer) -> Iterator[Callable[..., Tokens]]:
    """A factory; all of them follow the house's clocks."""
    made: list[Tokens] = []

    def make(*, source: str = "", patience_s: float = 10.0, **changes: Any) -> Tokens:
        given = {"jwt_issuer": "https://id.example", "jwt_audience": "plimsoll", "jwt_keys": source or issuer.url}
        access = Access(**{**given, **changes})
        keys = IssuerKeys(
            access.jwt_keys, refresh_s=3600, timeout_s=2, patience_s=patience_s, monotonic=house.clocks.monotonic
        )
        made.append(Tokens(access, keys, now=house.clocks.now))
        made[-1].wait(5)
        return made[-1]

    yield make
    for each in made:
        each.close()


def test_a_token_says_who_asks_and_for_whom(house: House, issuer: Issuer, tokens: Callable[..., Tokens]) -> None:
    """Principal, tenant and scopes come from the claims that were declared; words of others grant nothing."""
    admission = house.admission(tokens=tokens())
    ticket = admission.admit(bearer(issuer.token(house)), "late")
    assert (ticket.tenant, ticket.principal) == ("acme", "https://id.example#alice")
    with pytest.raises(Refused, match="may not tell"):
        admission.admit(bearer(issuer.token(house)), "late", "tell")


def test_claims_may_have_other_names_and_bound_the_capabilities(
    house: House, issuer: Issuer, tokens: Callable[..., Tokens]
) -> None:
    """A list of actions, a claim with capabilities; without that claim a token is good for none."""
    made = tokens(jwt_tenant_claim="org", jwt_scope_claim="permissions", jwt_capabilities_claim="features")
    admission = house.admission(tokens=made)
    claims = {"tenant": None, "org": "acme", "permissions": ["tell", "ask"], "features": ["late"]}
    admission.admit(bearer(issuer.token(house, **claims)), "late", "tell")
    for wrong in ({**claims, "features": ["other"]}, {**claims, "features": None}):
        with pytest.raises(Refused, match="may not ask late"):
            admission.admit(bearer(issuer.token(house, **wrong)), "late")


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "another"},
        {"aud": None},
        {"exp": None},
        {"exp": 1},
        {"exp": "soon"},
        {"nbf": 10**12},
        {"sub": None},
        {"sub": ""},
        {"tenant": None},
        {"tenant": 7},
        {"tenant": "a\nb"},
        {"tenant": "x" * 200},
    ],
)
def test_claims_that_do_not_hold_open_nothing(
    house: House, issuer: Issuer, tokens: Callable[..., Tokens], claims: dict[str, Any]
) -> None:
    """Issuer, audience, expiry and names are required, and must be right."""
    with pytest.raises(Unauthenticated):
        tokens().grant(issuer.token(house, **claims))


def test_the_algorithm_is_not_the_tokens_to_choose(house: House, issuer: Issuer, tokens: Callable[..., Tokens]) -> None:
    """Neither none, nor an HMAC whose key is the public key's text, nor a key of another kind."""
    made = tokens()
    real = issuer.keys[0]
    head, body, _ = issuer.token(house).split(".")
    forged = []
    for text in (real.as_pem(private=False), real.as_der(private=False), b""):
        signed = base64.urlsafe_b64encode(b'{"alg":"HS256","kid":"r1"}').rstrip(b"=") + b"." + body.encode()
        mac = base64.urlsafe_b64encode(hmac.digest(text, signed, "sha256")).rstrip(b"=")
        forged.append((signed + b"." + mac).decode())
    none = base64.urlsafe_b64encode(b'{"alg":"none","kid":"r1"}').rstrip(b"=").decode()
    forged += [f"{none}.{body}.", f"{none}.{body}.e30", f"{head}.{body}.AAAA"]
    forged.append(issuer.token(house, key=ECKey.generate_key("P-256", {"kid": "r1"}), alg="ES256"))
    forged.append(issuer.token(house, key=RSAKey.generate_key(2048, {"kid": "r1"})))
    for token in forged:
        with pytest.raises((Unauthenticated, Unavailable)):
            made.grant(token)


@pytest.mark.parametrize("said", ["..", "a.b.c", "e30.e30.e30", "x" * 20_000 + ".a.b", "é.é.é", "bnVsbA.bnVsbA.AAAA"])
def test_what_is_no_token_opens_nothing(tokens: Callable[..., Tokens], said: str) -> None:
    """And raises nothing else."""
    with pytest.raises((Unauthenticated, Unavailable)):
        tokens().grant(said)


@pytest.mark.parametrize(
    "key", [ECKey.generate_key("P-256", {"kid": "e"}), OKPKey.generate_key("Ed25519", {"kid": "o"})]
)
def test_elliptic_curves_verify_too(house: House, issuer: Issuer, tokens: Callable[..., Tokens], key: Any) -> None:
    """Each by the algorithm of its kind."""
    issuer.keys.append(key)
    assert tokens().grant(issuer.token(house, alg="ES256" if key.key_type == "EC" else "Ed25519")).tenant.name == "acme"


def test_a_grant_ends_with_its_token(house: House, issuer: Issuer, tokens: Callable[..., Tokens]) -> None:
    """Although what was verified is kept; a clock that jumps ahead ends it, too."""
    admission = house.admission(tokens=tokens(jwt_leeway_s=0))
    token = issuer.token(house)
    admission.admit(bearer(token), "late")
    house.clocks.passes(599)
    admission.admit(bearer(token), "late")
    house.clocks.wall_s += 2
    with pytest.raises(Unauthenticated):
        admission.admit(bearer(token), "late")


def test_a_key_that_the_issuer_made_new_is_followed(
    house: House, issuer: Issuer, tokens: Callable[..., Tokens]
) -> None:
    """The first token with it asks for another reading, and opens after that; the old key goes on while it is there."""
    made = tokens(patience_s=0.01)
    old = issuer.token(house)
    made.grant(old)
    made.refresh()
    issuer.keys.append(RSAKey.generate_key(2048, {"kid": "r2"}))
    house.clocks.passes(1)
    assert retried(made, issuer.token(house)).principal.endswith("alice")
    assert made.refresh()
    made.grant(old)
    del issuer.keys[0]
    house.clocks.passes(1)
    issuer.keys.append(RSAKey.generate_key(2048, {"kid": "r3"}))
    retried(made, issuer.token(house))
    with pytest.raises((Unauthenticated, Unavailable)):
        made.grant(old)


def retried(tokens: Tokens, token: str) -> Any:
    """As a caller does that is told to try again."""
    waited = threading.Event()
    for _ in range(1000):
        try:
            return tokens.grant(token)
        except Unavailable:
            waited.wait(0.01)
    raise AssertionError("it was never granted")


def test_invented_key_ids_reach_the_issuer_once_in_a_while(
    house: House, issuer: Issuer, tokens: Callable[..., Tokens]
) -> None:
    """However many tokens name them."""
    made = tokens(patience_s=10.0)
    served = issuer.served
    for n in range(50):
        with pytest.raises(Unauthenticated):
            made.grant(issuer.token(house, header={"kid": f"invented {n}"}))
    assert issuer.served == served


def test_while_the_issuer_is_away_its_keys_go_on(house: House, issuer: Issuer, tokens: Callable[..., Tokens]) -> None:
    """And a server starts without it; tokens are then told to come back."""
    made = tokens()
    issuer.broken = True
    made.grant(issuer.token(house))
    cold = tokens()
    with pytest.raises(Unavailable, match="being read"):
        cold.grant(issuer.token(house))


NO_JWKS = (b"", b"[]", b'{"keys": 3}', b'{"keys": []}', b'{"keys": [{"kty": "oct", "k": "AA"}]}', b"x" * 2_000_000)


@pytest.mark.parametrize("body", NO_JWKS, ids=range(len(NO_JWKS)))
def test_what_is_no_jwks_is_not_taken(issuer: Issuer, tokens: Callable[..., Tokens], body: bytes) -> None:
    """Nor one that is too large, nor one with nothing but shared secrets in it."""
    issuer.body = body or b" "
    keys = IssuerKeys(issuer.url, timeout_s=2)
    try:
        assert until(lambda: keys.failures == 1)
    finally:
        keys.close()


def until(holds: Callable[[], bool]) -> bool:
    waited = threading.Event()
    return any(holds() or waited.wait(0.01) for _ in range(1000))


def test_keys_come_from_a_file_too(house: House, issuer: Issuer, tokens: Callable[..., Tokens], tmp_path: Path) -> None:
    """Nothing is fetched then."""
    (file := tmp_path / "jwks.json").write_bytes(issuer.document)
    tokens(source=str(file)).grant(issuer.token(house))
    assert issuer.served == 0


def test_a_redirect_is_not_followed(issuer: Issuer) -> None:
    """Keys come from where they were said to be."""
    keys = IssuerKeys(issuer.url.replace("/jwks", "/moved"), timeout_s=2)
    try:
        assert until(lambda: keys.failures == 1)
    finally:
        keys.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"jwt_algorithms": ("HS256",)}, "public key"),
        ({"jwt_algorithms": ("none",)}, "public key"),
        ({"jwt_issuer": ""}, "jwt_issuer"),
        ({"jwt_audience": ""}, "jwt_audience"),
        ({"source": "http://id.example/jwks"}, "unprotected"),
    ],
)
def test_settings_that_would_let_anybody_in_are_refused(
    tokens: Callable[..., Tokens], changes: dict[str, Any], said: str
) -> None:
    """When the server starts."""
    with pytest.raises(InvalidDeclaration, match=said):
        tokens(**changes)
