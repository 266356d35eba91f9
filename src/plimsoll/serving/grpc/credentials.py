"""The server's certificate as gRPC takes it: asked for at every handshake, so that a replaced one is shown."""

from __future__ import annotations

from typing import Any

import grpc  # type: ignore[import-untyped]

from plimsoll.serving.certificates import Certificates, Pems


def credentials_of(certificates: Certificates) -> Any:
    """Credentials that follow ``certificates``; a caller must show one of its own where there is a client CA."""
    shown = certificates.pems

    def newer() -> Any:
        """gRPC keeps what it had where this says None."""
        nonlocal shown
        if certificates.pems is shown:
            return None
        shown = certificates.pems
        return _configuration(shown)

    return grpc.dynamic_ssl_server_credentials(_configuration(shown), newer, bool(shown.client_ca))


def _configuration(pems: Pems) -> Any:
    return grpc.ssl_server_certificate_configuration([(pems.key, pems.certificate)], pems.client_ca or None)
