"""The image and the compose file: checked without an engine, by linters and by holding them against the code."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from plimsoll.settings import read_settings

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "Dockerfile"
COMPOSE = ROOT / "deploy" / "compose.yaml"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return loaded


def instruction(name: str) -> list[str]:
    """The words of the image's last ``name [...]``."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    words: list[str] = json.loads(re.findall(rf"^\s*{name} +(\[.*\])$", text, re.MULTILINE)[-1])
    return words


def test_the_dockerfile_passes_the_linter() -> None:
    """hadolint has nothing to say."""
    linter = BIN / "hadolint"
    if not linter.exists():
        pytest.skip("hadolint has no build for this machine")
    done = subprocess.run([linter, DOCKERFILE], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_the_compose_file_is_one() -> None:
    """It keeps the schema of the Compose specification."""
    words = [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", COMPOSE]
    done = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout


def test_what_the_image_copies_is_there() -> None:
    """A file that moved would be found by nobody but who builds the image."""
    for words in re.findall(r"^COPY (?!--from)(.+)$", DOCKERFILE.read_text(), re.MULTILINE):
        *sources, _ = words.split()
        assert all((ROOT / source).exists() for source in sources), words


def test_the_image_runs_as_nobody_in_particular_and_can_be_stopped() -> None:
    """Not as root, with a health check that asks for readiness, and SIGTERM, which drains."""
    text = DOCKERFILE.read_text()
    assert re.search(r"^USER 10001$", text, re.MULTILINE) and "STOPSIGNAL SIGTERM" in text
    assert "/health/ready" in text and instruction("ENTRYPOINT") == ["plimsoll"]


def test_nothing_is_published_beyond_this_machine(compose: dict[str, Any]) -> None:
    """Loopback, until somebody who configured access control changes it."""
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports and all(port.startswith("127.0.0.1:") for port in ports)


def test_the_server_s_environment_is_made_of_settings(compose: dict[str, Any], tmp_path: Path) -> None:
    """A slip in a variable's name stops a server; here it stops the build."""
    given = compose["services"]["plimsoll"]["environment"]
    image = dict(re.findall(r"(PLIMSOLL_[A-Z_]+)=(\S+)", DOCKERFILE.read_text()))
    settings = read_settings(tmp_path, environment={**image, **given})
    assert settings.catalog.startswith("postgresql+psycopg://") and settings.home == Path("/home/plimsoll/state")


def test_a_stop_has_longer_than_the_drain(compose: dict[str, Any]) -> None:
    """An engine that kills before the workers have drained would lose what is in flight."""
    from plimsoll.serving.supervisor import Limits

    assert int(compose["services"]["plimsoll"]["stop_grace_period"].rstrip("s")) > Limits().drain_s
