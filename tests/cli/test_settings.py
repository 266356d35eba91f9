"""Defaults, file, environment, flags: the last one that says something counts."""

from pathlib import Path

import pytest

from plimsoll.errors import InvalidDeclaration
from plimsoll.settings import keys, read_settings


def write(folder: Path, text: str) -> Path:
    (folder / "plimsoll.toml").write_text(text)
    return folder


def test_defaults_are_a_laptops(tmp_path):
    """Without a file there is SQLite in ./.plimsoll and a server on loopback."""
    settings = read_settings(tmp_path, environment={})
    assert settings.home == tmp_path / ".plimsoll" and settings.server.host == "127.0.0.1"
    assert settings.catalog_url == f"sqlite:///{tmp_path}/.plimsoll/catalog.db"


def test_later_layers_win(tmp_path):
    """The environment beats the file, a flag beats the environment, and a flag that was not given is silent."""
    write(tmp_path, "[server]\nport = 1\nhost = 'a'\nbody_limit_bytes = 2048\n")
    environment = {"PLIMSOLL_SERVER_PORT": "2", "PLIMSOLL_SERVER_HOST": "b"}
    server = read_settings(tmp_path, environment=environment, flags={"server.port": 3, "server.host": None}).server
    assert (server.port, server.host, server.body_limit_bytes) == (3, "b", 2048)


def test_a_relative_home_in_the_file_is_relative_to_the_file(tmp_path):
    """`plimsoll rehearse examples/flights` uses the home that the capability's own file names."""
    assert read_settings(write(tmp_path, 'home = "state"'), environment={}).home == tmp_path / "state"


@pytest.mark.parametrize(
    ("text", "said", "hint"),
    [
        ('hom = "x"', "line 1: there is no setting 'hom'", "'home'"),
        ("[server]\nhost = 'a'\nprot = 9", "line 3: there is no setting 'server.prot'", "'server.port'"),
        ("[servr]\nport = 9", "line 2: there is no setting 'servr.port'", "'server.port'"),
        ("[server]\nport = 'a'", "line 2: server.port = 'a': Expected `int`, got `str`", "Port"),
        ("[server]\nport = 70000", "line 2: server.port = 70000: Expected `int` <= 65535", "Port"),
        ("server = 3", "line 1: there is no setting 'server'", "server"),
        ("x = [1", "is not TOML", ""),
    ],
)
def test_a_wrong_file_is_refused_with_its_line_and_the_right_name(tmp_path, text, said, hint):
    """An unknown key or an impossible value names the line and what would be right."""
    with pytest.raises(InvalidDeclaration) as error:
        read_settings(write(tmp_path, text), environment={})
    assert said in error.value.message and hint in error.value.hint


def test_limits_may_have_rules(tmp_path):
    """Each a table of its own; a key that it does not have is refused with its name."""
    text = "[limits]\nconcurrent = 3\n[[limits.rules]]\ntenant = 'shop'\nrequests_per_s = 5\n"
    limits = read_settings(write(tmp_path, text), environment={}).limits
    assert limits.concurrent == 3 and (limits.rules[0].tenant, limits.rules[0].requests_per_s) == ("shop", 5.0)
    with pytest.raises(InvalidDeclaration, match="tenan"):
        read_settings(write(tmp_path, text + "tenan = 'x'\n"), environment={})


def test_an_unknown_variable_is_refused(tmp_path):
    """A misspelt environment variable would otherwise be silently without effect."""
    with pytest.raises(InvalidDeclaration) as error:
        read_settings(tmp_path, environment={"PLIMSOLL_HOEM": "x"})
    assert "PLIMSOLL_HOME" in error.value.hint


def test_an_impossible_variable_is_refused(tmp_path):
    """The environment's text is converted strictly."""
    with pytest.raises(InvalidDeclaration, match="PLIMSOLL_LOOP_EVERY_S"):
        read_settings(tmp_path, environment={"PLIMSOLL_LOOP_EVERY_S": "soon"})


def test_every_setting_says_what_it_means():
    """No setting is undocumented, and every name is one."""
    found = list(keys())
    assert all(k.description for k in found) and len({k.variable for k in found}) == len(found)
