"""What it costs to let a request in, and to find an answer that is kept: processor time a request, one policy at a time.

Each figure is the whole of ``admit`` and ``done`` with the five headers of a usual request, in one thread, garbage
collection off as it is in a server after its start. The peer of a token is verifying it each time with the same library.
"""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

from benchmarks.table import Row, at_most
from plimsoll import governance
from plimsoll.capability import BinaryClassification, Capability, Source
from plimsoll.features import Inputs, number
from plimsoll.kernel.access import Scopes
from plimsoll.kernel.records import Answer
from plimsoll.kernel.requirement import at_least
from plimsoll.kernel.requirement import at_most as at_most_of
from plimsoll.sections import Access, Limits
from plimsoll.serving import open_admission
from plimsoll.serving.caching import AnswerCache, MemoryAnswers, QuestionKey
from plimsoll.store import Pepper, SqlCatalog

CALLS, REPEATS = 20_000, 7


def run() -> list[Row]:
    """A quarter of a minute."""
    with TemporaryDirectory(prefix="plimsoll-bench-") as folder:
        return [*_door(Path(folder)), *_cache()]


def _door(folder: Path) -> Iterator[Row]:
    catalog = SqlCatalog(f"sqlite:///{folder}/catalog.db")
    pepper = Pepper.kept(folder / "pepper")
    now = datetime.now(UTC)
    issued = governance.issue(
        catalog.access, pepper, name="bench", tenant="shop", scopes=Scopes(), actor="bench", now=now
    )
    key = RSAKey.generate_key(2048, {"kid": "r1", "use": "sig"})
    (folder / "jwks.json").write_text(json.dumps(KeySet([key]).as_dict(private=False)))
    token = _token(key, now)
    with _admission(catalog, folder, Access(), Limits()) as admission:
        yield _row("open to everybody", _us(lambda: admission.admit(_headers(None), "late").done()), 1.5)
    with _admission(catalog, folder, Access(required=True), Limits()) as admission:
        headers = _headers(issued.credential)
        key_us = _us(lambda: admission.admit(headers, "late").done())
        yield _row("a key that was seen before", key_us, 3.0)
        fresh = _us(lambda: (admission._start_over(), admission.admit(headers, "late").done()), calls=2_000)
        yield _row("a key that is verified", fresh, 30.0, note="HMAC-SHA-256; no catalog is asked")
    access = Access(
        required=True, jwt_issuer="https://id.example", jwt_audience="plimsoll", jwt_keys=str(folder / "jwks.json")
    )
    with _admission(catalog, folder, access, Limits()) as admission:
        headers = _headers(token)
        cached = _us(lambda: admission.admit(headers, "late").done())
        verified = _us(lambda: (admission._start_over(), admission.admit(headers, "late").done()), calls=500)
        yield at_most("a token that was seen before", cached, 4.5, "µs", peer="verified each time", peer_value=verified)
    limits = Limits(requests_per_s=1e9, burst=1e9, concurrent=1000)
    with _admission(catalog, folder, Access(required=True), limits) as admission:
        headers = _headers(issued.credential)
        limited = _us(lambda: admission.admit(headers, "late").done())
        yield _row(
            "a key, a rate limit and a limit at a time", limited, 4.0, note=f"{limited - key_us:.2f} µs for both"
        )
    catalog.close()


def _cache() -> Iterator[Row]:
    names = [f"x{n}" for n in range(20)]
    capability = Capability(
        name="bench",
        owner="bench",
        task=BinaryClassification(label="y"),
        source=Source(name="rows", contract="rows.yaml", rows="rows.csv", asked_at="asked", unit="id"),
        features=[Inputs(*(number(name) for name in names))],
        gate=[at_least("auc", 0.5)],
        keep=[at_most_of("error_rate", 0.01)],
        train=lambda rows, params: None,
    )
    keys, now = QuestionKey(capability), datetime.now(UTC)
    inputs = {"id": "u1", "asked": now, **{name: 0.5 + n for n, name in enumerate(names)}}
    key = keys.of("release", "shop", inputs, now)
    cache = AnswerCache(MemoryAnswers(1 << 24), ttl_s=3600)
    cache.find([key])
    cache.keep([key], [Answer(release="r" * 64, role="live", score=0.5, latency_ms=1.0, features=bytes(80))])
    yield _row("the key of a question of 20 columns", _us(lambda: keys.of("release", "shop", inputs, now)), 8.0)
    yield _row("an answer that is kept in the process", _us(lambda: cache.find([key])), 4.0)


def _token(key: Any, now: datetime) -> str:
    at = int(now.timestamp())
    claims = {
        "iss": "https://id.example",
        "aud": "plimsoll",
        "sub": "a",
        "tenant": "shop",
        "scope": "ask",
        "exp": at + 900,
    }
    return jwt.encode({"alg": "RS256", "kid": "r1"}, claims, key)


@contextmanager
def _admission(catalog: SqlCatalog, folder: Path, access: Access, limits: Limits) -> Iterator[Any]:
    admission = open_admission(access, limits, catalog.access, folder / "pepper")
    try:
        yield admission
    finally:
        admission.close()


def _headers(credential: str | None) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"host", b"127.0.0.1:8080"),
        (b"user-agent", b"bench/1"),
        (b"content-type", b"application/json"),
        (b"content-length", b"512"),
    ]
    return headers + ([(b"authorization", f"Bearer {credential}".encode())] if credential else [])


def _us(work: Callable[[], object], *, calls: int = CALLS) -> float:
    """Microseconds of processor time a call: the best of several rounds, because noise only ever adds."""
    best = float("inf")
    gc.collect()
    gc.disable()
    try:
        for _ in range(REPEATS):
            began = time.process_time()
            for _ in range(calls):
                work()
            best = min(best, time.process_time() - began)
    finally:
        gc.enable()
    return best / calls * 1e6


def _row(what: str, us: float, limit_us: float, *, note: str = "") -> Row:
    return at_most(what, us, limit_us, "µs", note=note)
