"""What is wrong with access is found: an open door, keys that open nothing, a certificate that is over."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from .test_doctor import look, settings_of  # noqa: F401 - look is a fixture


def test_a_server_that_listens_to_everybody_is_said(look: Any, tmp_path: Path) -> None:  # noqa: F811
    """Unless a credential is needed; then there has to be one."""
    _, found = look(folder=settings_of(tmp_path, "[server]\nhost = '0.0.0.0'\n"))
    assert found["access"]["state"] == "warning" and "0.0.0.0" in found["access"]["said"]
    _, found = look(folder=settings_of(tmp_path, "[access]\nrequired = true\n"))
    assert "there is none" in found["access"]["said"]


def test_keys_of_another_pepper_are_found(look: Any, run: Any, home: Any, tmp_path: Path) -> None:  # noqa: F811
    """And a pepper that everybody may read."""
    run("keys", "create", "a", "--tenant", "t", "--home", home.path)
    assert look()[1]["access"] == {"what": "access", "state": "ok", "said": "1 valid keys", "hint": ""}
    pepper = home.path / "access" / "pepper"
    pepper.chmod(0o644)
    code, found = look()
    assert code != 0 and "chmod 600" in found["access"]["hint"]
    pepper.chmod(0o600)
    pepper.write_bytes(bytes(32))
    assert "another pepper" in look()[1]["access"]["said"]


@pytest.mark.parametrize(("text", "said"), [("certificate = 'none.pem'", "a certificate and its key"), ("", "")])
def test_a_certificate_is_looked_at(look: Any, tmp_path: Path, text: str, said: str) -> None:  # noqa: F811
    """Where there is to be one."""
    code, found = look(folder=settings_of(tmp_path, f"[tls]\n{text}\n"))
    assert (said in found["access"]["said"] and code != 0) if said else "certificate" not in found
