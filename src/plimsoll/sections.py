"""Sections of the settings about who may ask, how much, over what, and what is remembered."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta


class Access(msgspec.Struct, frozen=True, kw_only=True):
    """``[access]``: who may ask."""

    required: Annotated[
        bool, Meta(description="Every request needs a credential: a key of `plimsoll keys`, or a token of the issuer.")
    ] = False
    pepper: Annotated[
        str, Meta(description="File of the pepper that keys are hashed with; empty is `access/pepper` in the home.")
    ] = ""
    trust_keys_s: Annotated[
        float, Meta(gt=0, description="Seconds that known keys open while the catalog cannot be read.")
    ] = 3600.0
    jwt_keys: Annotated[
        str, Meta(description="The issuer's JWKS: a file, or an http(s) URL; empty: tokens open nothing.")
    ] = ""
    jwt_issuer: Annotated[str, Meta(description="What a token's `iss` must be.")] = ""
    jwt_audience: Annotated[str, Meta(description="What a token's `aud` must be or contain.")] = ""
    jwt_algorithms: Annotated[
        tuple[str, ...], Meta(description="Signatures that are accepted. Symmetric ones and `none` cannot be.")
    ] = ("RS256", "PS256", "ES256", "Ed25519", "EdDSA")
    jwt_tenant_claim: Annotated[str, Meta(description="The claim that names the tenant.")] = "tenant"
    jwt_scope_claim: Annotated[
        str, Meta(description="The claim with the actions (`ask tell`), as one text or a list.")
    ] = "scope"
    jwt_capabilities_claim: Annotated[
        str, Meta(description="The claim with the capabilities; empty: a token is good for all.")
    ] = ""
    jwt_leeway_s: Annotated[float, Meta(ge=0, description="Seconds that the issuer's clock may be off.")] = 30.0
    jwt_refresh_s: Annotated[float, Meta(ge=1, description="Seconds between two readings of the JWKS.")] = 300.0
    jwt_timeout_s: Annotated[float, Meta(gt=0, description="Seconds before a reading of the JWKS is given up.")] = 3.0


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One entry of ``limits.rules``; the first that fits counts. 0 is no limit."""

    tenant: str = "*"
    capability: str = "*"
    requests_per_s: Annotated[float, Meta(ge=0)] = 0.0
    burst: Annotated[float, Meta(ge=0)] = 0.0
    concurrent: Annotated[int, Meta(ge=0)] = 0
    when_away: Literal["open", "closed"] = "open"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """``[limits]``: how much a tenant may ask of a capability, and how long anybody waits."""

    requests_per_s: Annotated[
        float, Meta(ge=0, description="Questions a second of one tenant to one capability; 0 is no limit.")
    ] = 0.0
    burst: Annotated[
        float, Meta(ge=0, description="Questions that may come at once after a pause; 0 is one second's worth.")
    ] = 0.0
    concurrent: Annotated[
        int, Meta(ge=0, description="Requests of one tenant to one capability at a time; 0 is no limit.")
    ] = 0
    rules: Annotated[
        tuple[Rule, ...],
        Meta(
            description="Other limits for some: `[[limits.rules]]` with `tenant`, `capability`, `requests_per_s`, "
            "`burst`, `concurrent`, `when_away`; the first that fits counts, alone."
        ),
    ] = ()
    shared: Annotated[
        str, Meta(description="`redis://…` through which all replicas share the limits; empty: each has its own.")
    ] = ""
    when_away: Annotated[
        Literal["open", "closed"],
        Meta(description="While Redis is away: `open` goes on with each replica's own limit, `closed` answers 503."),
    ] = "open"
    lease_s: Annotated[
        float, Meta(gt=0, le=5, description="Seconds of a limit that a replica takes from Redis at once.")
    ] = 0.1
    timeout_ms: Annotated[float, Meta(gt=0, description="Milliseconds before a call of Redis is given up.")] = 50.0
    stall_ms: Annotated[
        float,
        Meta(
            gt=0,
            description="Milliseconds that requests may stand still for Redis, where it is asked at once; what takes longer "
            "goes on beside, and until then `when_away` counts.",
        ),
    ] = 5.0
    most_waiting: Annotated[
        int, Meta(ge=1, description="Requests in the server at a time; above it the answer is 503.")
    ] = 10_000
    wait_ms: Annotated[
        float,
        Meta(gt=0, description="Longest expected wait for an answer; above it requests are shed, batch ones at half."),
    ] = 1_000.0


class Tls(msgspec.Struct, frozen=True, kw_only=True):
    """``[tls]``: the certificate that the server shows. Files that change are read again; no restart is needed."""

    certificate: Annotated[str, Meta(description="File of the certificate and its chain, PEM; empty: no TLS.")] = ""
    key: Annotated[str, Meta(description="File of the private key, PEM.")] = ""
    client_ca: Annotated[
        str, Meta(description="File of the authorities whose certificates a caller must show (mTLS); empty: none.")
    ] = ""


class Cache(msgspec.Struct, frozen=True, kw_only=True):
    """``[cache]``: answers that are given again."""

    ttl_s: Annotated[
        float,
        Meta(ge=0, description="Seconds that an answer may be given again; 0: as the capability declares, or never."),
    ] = 0.0
    size_bytes: Annotated[
        int, Meta(ge=1024, description="Memory for kept answers; the least recent ones go first.")
    ] = 67_108_864
    shared: Annotated[
        str, Meta(description="`redis://…` in which all replicas keep answers; empty: each keeps its own.")
    ] = ""
    timeout_ms: Annotated[
        float, Meta(gt=0, description="Milliseconds before a call of Redis is given up, and the model is asked.")
    ] = 5.0
    wait_ms: Annotated[
        float, Meta(gt=0, description="Longest wait for the same question's answer that another request is making.")
    ] = 1_000.0
