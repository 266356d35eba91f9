"""TLS: modern, for callers that show a certificate too, and replaced while requests are answered."""

from __future__ import annotations

import http.client
import ssl
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from plimsoll.errors import UsageError
from plimsoll.sections import Tls
from plimsoll.serving import Certificates

from .conftest import live, parcel
from .running import Running, running


class Authority(NamedTuple):
    """Signs certificates."""

    key: ec.EllipticCurvePrivateKey
    certificate: x509.Certificate

    @property
    def pem(self) -> bytes:
        return self.certificate.public_bytes(Encoding.PEM)

    def sign(self, name: str) -> tuple[bytes, bytes]:
        """(certificate, key) of 127.0.0.1, both PEM."""
        key = ec.generate_private_key(ec.SECP256R1())
        pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        return certificate(name, key.public_key(), self.certificate.subject, self.key).public_bytes(Encoding.PEM), pem


def named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def certificate(
    name: str, public: ec.EllipticCurvePublicKey, issuer: x509.Name, key: Any, *, authority: bool = False
) -> x509.Certificate:
    import ipaddress

    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    return (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .sign(key, hashes.SHA256())
    )


def make_authority(name: str = "authority") -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    return Authority(key, certificate(name, key.public_key(), named(name), key, authority=True))


class Shop(NamedTuple):
    """The files that a server shows, and who signed them."""

    authority: Authority
    tls: Tls

    def replace(self, name: str, authority: Authority | None = None) -> None:
        """Certificate and key, one after the other, as a renewal does."""
        made, key = (authority or self.authority).sign(name)
        for path, data in ((self.tls.certificate, made), (self.tls.key, key)):
            write(Path(path), data)

    def caller(self, *, shows: tuple[bytes, bytes] | None = None, folder: Path | None = None) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.authority.pem.decode())
        if shows is not None and folder is not None:
            for name, data in zip(("mine.pem", "mine.key"), shows, strict=True):
                (folder / name).write_bytes(data)
            context.load_cert_chain(folder / "mine.pem", folder / "mine.key")
        return context


def write(path: Path, data: bytes) -> None:
    aside = path.with_suffix(".new")
    aside.write_bytes(data)
    aside.replace(path)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    made = Shop(make_authority(), Tls(certificate=str(tmp_path / "server.pem"), key=str(tmp_path / "server.key")))
    made.replace("first")
    return made


def ask(up: Running, context: ssl.SSLContext) -> tuple[int, str]:
    """(status, the name on the certificate that was shown), over a connection of its own."""
    connection = http.client.HTTPSConnection("127.0.0.1", up.port, timeout=10, context=context)
    try:
        connection.connect()
        shown: Any = connection.sock.getpeercert()
        import json

        body = json.dumps({"inputs": parcel(1)}).encode()
        connection.request("POST", "/v1/capabilities/parcel-late/ask", body)
        return connection.getresponse().status, shown["subject"][0][0][1]
    finally:
        connection.close()


def test_a_request_over_tls_is_answered(yard: Any, shop: Shop) -> None:
    """To who trusts the authority, over TLS 1.2 or later; plain HTTP gets nothing."""
    with running(yard, live("fallback"), certificates=Certificates(shop.tls)) as up:
        assert ask(up, shop.caller()) == (200, "first")
        with pytest.raises(ssl.SSLCertVerificationError):
            ask(up, ssl.create_default_context())
        with pytest.raises((http.client.HTTPException, OSError)):
            up.call("GET", "/health/live")
        old = shop.caller()
        old.set_ciphers("DEFAULT:@SECLEVEL=0")
        with pytest.warns(DeprecationWarning):
            old.minimum_version, old.maximum_version = ssl.TLSVersion.TLSv1_1, ssl.TLSVersion.TLSv1_1
        with pytest.raises((ssl.SSLError, OSError)):
            ask(up, old)


def test_a_certificate_is_replaced_under_load(yard: Any, shop: Shop) -> None:
    """No request fails, connections that stand go on, and new ones are shown the new one, without a restart."""
    failures: list[Exception] = []
    seen: list[str] = []
    stop = threading.Event()
    with running(yard, live("fallback"), certificates=Certificates(shop.tls), refresh_every_s=0.02) as up:
        standing = http.client.HTTPSConnection("127.0.0.1", up.port, timeout=10, context=shop.caller())
        standing.request("GET", "/health/live")
        standing.getresponse().read()

        def load() -> None:
            while not stop.is_set():
                try:
                    seen.append(ask(up, shop.caller())[1])
                except Exception as error:  # noqa: BLE001 - whatever it is, it is what the test is about
                    failures.append(error)

        threads = [threading.Thread(target=load) for _ in range(2)]
        for thread in threads:
            thread.start()
        for name in ("second", "third"):
            shop.replace(name)
            assert until(lambda: name in seen[-4:])  # noqa: B023 - called before the next name
        stop.set()
        for thread in threads:
            thread.join()
        assert ask(up, shop.caller())[1] == "third"  # of the two callers, the one that began earlier may answer last
        standing.request("GET", "/health/live")
        assert standing.getresponse().status == 200
        standing.close()
    assert failures == []


def until(holds: Callable[[], bool]) -> bool:
    waited = threading.Event()
    for _ in range(2000):
        if holds():
            return True
        waited.wait(0.01)
    return False


def test_a_pair_that_does_not_fit_is_not_taken(shop: Shop) -> None:
    """Between the writing of certificate and key the old pair is shown, and when both are there the new one."""
    certificates = Certificates(shop.tls)
    made, key = shop.authority.sign("second")
    before = certificates.pems
    write(Path(shop.tls.certificate), made)
    assert not certificates.refresh() and certificates.pems is before and certificates.failures == 1
    write(Path(shop.tls.key), key)
    assert certificates.refresh() and certificates.pems.certificate == made
    assert not certificates.refresh()


@pytest.mark.parametrize("broken", [b"", b"no certificate", None])
def test_files_that_go_bad_leave_the_old_pair(shop: Shop, broken: bytes | None) -> None:
    """Empty, garbage, or gone; it is counted."""
    certificates = Certificates(shop.tls)
    if broken is None:
        Path(shop.tls.key).unlink()
    else:
        write(Path(shop.tls.key), broken)
    assert not certificates.refresh() and certificates.failures == 1 and certificates.pems.certificate


def test_without_a_pair_that_fits_no_server_starts(shop: Shop, tmp_path: Path) -> None:
    """And the message names the files."""
    write(Path(shop.tls.key), make_authority().sign("other")[1])
    with pytest.raises(UsageError, match=r"server\.key"):
        Certificates(shop.tls)
    with pytest.raises(UsageError, match="a certificate and its key"):
        Certificates(Tls(certificate=shop.tls.certificate))


def test_a_caller_has_to_show_a_certificate_where_that_is_asked(yard: Any, shop: Shop, tmp_path: Path) -> None:
    """One of the authority's that is trusted now: after that one is replaced, the old ones open nothing."""
    ours, theirs = make_authority("callers"), make_authority("other callers")
    ca = tmp_path / "callers.pem"
    ca.write_bytes(ours.pem)
    tls = Tls(certificate=shop.tls.certificate, key=shop.tls.key, client_ca=str(ca))
    first, second = (
        shop.caller(shows=ours.sign("a"), folder=tmp_path),
        shop.caller(shows=theirs.sign("b"), folder=tmp_path),
    )
    with running(yard, live("fallback"), certificates=Certificates(tls), refresh_every_s=0.02) as up:
        assert ask(up, first)[0] == 200
        for stranger in (second, shop.caller()):
            with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
                ask(up, stranger)
        write(ca, theirs.pem)
        certificates = up.server.certificates
        assert certificates is not None and until(lambda: certificates.readings == 2)
        assert ask(up, second)[0] == 200
        with pytest.raises((ssl.SSLError, OSError, http.client.HTTPException)):
            ask(up, first)


def test_grpc_shows_the_same_certificate_and_its_replacement(yard: Any, shop: Shop) -> None:
    """At the next handshake."""
    grpc = pytest.importorskip("grpc")
    certificates = Certificates(shop.tls)
    with running(yard, live("fallback"), certificates=certificates, grpc_port=0, refresh_every_s=0.02) as up:
        for authority in (shop.authority, make_authority("another")):
            if authority is not shop.authority:
                shop.replace("second", authority)
                assert until(lambda: certificates.readings == 2)
            trust = grpc.ssl_channel_credentials(authority.pem)
            options = [("grpc.use_local_subchannel_pool", 1)]
            with grpc.secure_channel(up.server.grpc_address, trust, options) as channel:
                call = channel.unary_unary("/inference.GRPCInferenceService/ServerLive")
                assert call(b"", timeout=10)
