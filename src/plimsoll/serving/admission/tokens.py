"""Tokens of an issuer (JWT, RFC 7519; OpenID Connect), verified through joserfc, and what their claims grant.

What makes a verifier unsafe is refused by construction (RFC 8725): the algorithm comes from a list of asymmetric ones
and not from the token alone; a key opens only the algorithms of its own kind; issuer, audience and expiry are required.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from typing import Any

from plimsoll.errors import InvalidDeclaration, UsageError, nearest
from plimsoll.kernel.access import ACTIONS, EVERY, Scopes
from plimsoll.sections import Access
from plimsoll.serving.admission.grants import Grant
from plimsoll.serving.admission.issuer import IssuerKeys
from plimsoll.serving.admission.tenant import _verified
from plimsoll.serving.refusals import Unauthenticated

SIGNATURES = (
    "RS256",
    "RS384",
    "RS512",
    "PS256",
    "PS384",
    "PS512",
    "ES256",
    "ES384",
    "ES512",
    "Ed25519",
    "Ed448",
    "EdDSA",
)
_LONGEST = 16_384
_NAME = re.compile(r"[^\x00-\x1f\x7f]{1,128}")


class Tokens:
    """Verifies tokens against ``keys``. Raises InvalidDeclaration for settings that would let anybody in."""

    def __init__(self, access: Access, keys: IssuerKeys, *, now: Callable[[], float] = time.time) -> None:
        check(access)
        from joserfc.jws import JWSRegistry

        self._access, self._keys, self._now = access, keys, now
        self._algorithms = list(access.jwt_algorithms)
        self._registry = JWSRegistry(algorithms=self._algorithms)

    def grant(self, token: str) -> Grant:
        """What ``token`` stands for until it expires. Raises Unauthenticated saying what is wrong with it.

        Raises Unavailable where the issuer's key is not known yet and may be soon.
        """
        claims = self._claims(token)
        access = self._access
        tenant = claims.get(access.jwt_tenant_claim)
        subject = claims.get("sub")
        for what, name in ((access.jwt_tenant_claim, tenant), ("sub", subject)):
            if not isinstance(name, str) or not _NAME.fullmatch(name):
                raise Unauthenticated(f"the token's claim {what!r} is not a name")
        return Grant(
            principal=f"{access.jwt_issuer}#{subject}",
            tenant=_verified(str(tenant)),
            scopes=self._scopes(claims),
            expires_at_s=float(claims["exp"]) + access.jwt_leeway_s,
        )

    def _claims(self, token: str) -> dict[str, Any]:
        from joserfc import jwt
        from joserfc.errors import JoseError

        if len(token) > _LONGEST:
            raise Unauthenticated(f"the token is longer than {_LONGEST} characters")
        try:
            decoded = jwt.decode(token, self._key, algorithms=self._algorithms, registry=self._registry)
            self._claims_registry().validate(decoded.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise Unauthenticated(f"the token opens nothing here: {_reason(error)}") from error
        return dict(decoded.claims)

    def _key(self, token: Any) -> Any:
        headers: Mapping[str, Any] = token.headers()
        kid = headers.get("kid")
        if kid is not None and not isinstance(kid, str):
            raise ValueError("its kid is no text")
        return self._keys.of(kid, str(headers.get("alg")))

    def _claims_registry(self) -> Any:
        from joserfc.jwt import JWTClaimsRegistry

        access = self._access
        return JWTClaimsRegistry(
            now=int(self._now()),
            leeway=int(access.jwt_leeway_s),
            iss={"essential": True, "value": access.jwt_issuer},
            aud={"essential": True, "value": access.jwt_audience},
            exp={"essential": True},
            sub={"essential": True},
        )

    def _scopes(self, claims: Mapping[str, Any]) -> Scopes:
        """Words of the scope claim that are no action of ours are somebody else's, and grant nothing."""
        access = self._access
        said = _words(claims.get(access.jwt_scope_claim))
        capabilities = (EVERY,)
        if access.jwt_capabilities_claim:
            capabilities = tuple(_words(claims.get(access.jwt_capabilities_claim)))  # type: ignore[assignment]
        return Scopes(actions=tuple(action for action in ACTIONS if action in said), capabilities=capabilities)

    def refresh(self) -> bool:
        """True if the issuer's keys changed since the last call."""
        return self._keys.changed()

    def wait(self, timeout_s: float) -> bool:
        """Until the issuer's keys are known; False if they are not in time."""
        return self._keys.wait(timeout_s)

    def close(self) -> None:
        self._keys.close()


def _words(value: Any) -> list[str]:
    """A claim as words: a text with spaces (RFC 8693, 4.2) or a list of texts."""
    if isinstance(value, str):
        return value.split()
    return [word for word in value if isinstance(word, str)] if isinstance(value, list) else []


def check(access: Access) -> None:
    """Raise InvalidDeclaration for settings that would let anybody in, or nobody."""
    for name in ("jwt_issuer", "jwt_audience", "jwt_keys"):
        if not getattr(access, name):
            raise InvalidDeclaration(
                f"access.{name} is empty", hint="tokens need jwt_keys, jwt_issuer and jwt_audience under [access]"
            )
    for algorithm in access.jwt_algorithms:
        if algorithm not in SIGNATURES:
            raise InvalidDeclaration(
                f"access.jwt_algorithms has {algorithm!r}: only signatures with a public key can be verified here",
                hint=nearest(algorithm, SIGNATURES),
            )
    try:
        import joserfc  # noqa: F401
    except ModuleNotFoundError as error:
        raise UsageError("tokens need joserfc, which is not installed", hint="pip install 'plimsoll[auth]'") from error


def _reason(error: Exception) -> str:
    """One line about the token, without anything that stands in it."""
    text = getattr(error, "description", "") or getattr(error, "error", "") or type(error).__name__
    return str(text).splitlines()[0][:120]
