"""The commands about keys: a credential is shown once, and what was done is in the ledger."""

import pytest


def test_a_key_is_made_listed_rotated_and_revoked(run, tmp_path):
    """A home is made for it if there is none; every step is one line of the ledger."""
    home = ("--home", tmp_path / "home")
    made = run("keys", "create", "checkout", "--tenant", "shop", "--action", "ask", "--json", *home).document
    assert made["credential"].startswith(f"plm_{made['key']['id']}_")
    (listed,) = run("keys", "list", "--json", *home).document["keys"]
    assert listed["standing"] == "valid" and listed["scopes"]["actions"] == ["ask"] and "secrets" not in listed
    again = run("keys", "rotate", "checkout", "--json", *home).document
    assert again["credential"] != made["credential"] and again["key"]["old_secret_until"]
    assert run("keys", "revoke", made["key"]["id"][:6], "--reason", "leaked", *home).code == 0
    assert "revoked" in run("keys", "list", *home).out
    kinds = [line["kind"] for line in run("log", "--json", *home).document["lines"]]
    assert kinds == ["key_issued", "key_rotated", "key_revoked"]
    assert run("log", "--verify", *home).code == 0


def test_the_list_says_what_a_key_may(run, tmp_path):
    """And how to make one where there is none."""
    home = ("--home", tmp_path / "home")
    run(
        "keys",
        "create",
        "nightly",
        "--tenant",
        "shop",
        "--capability",
        "a",
        "--priority",
        "batch",
        "--days",
        "3",
        *home,
    )
    out = run("keys", "list", *home).out
    assert "ask, tell on a (batch)" in out and "valid until" in out and "plm_" not in out


@pytest.mark.parametrize(
    "words",
    [
        ("create", "a"),
        ("create", "a", "--tenant", "no good"),
        ("create", "a", "--tenant", "t", "--days", "-1"),
        ("rotate", "unknown"),
        ("revoke", "unknown", "--reason", "x"),
    ],
)
def test_wrong_usage_is_said(run, home, words):
    """Nothing is written."""
    assert run("keys", *words, "--home", home.path).code == 2
    assert run("keys", "list", "--json", "--home", home.path).document["keys"] == []


def test_looking_makes_no_home(run, tmp_path):
    """As with every command that only looks."""
    assert run("keys", "list", "--home", tmp_path / "none").code == 2 and not (tmp_path / "none").exists()
