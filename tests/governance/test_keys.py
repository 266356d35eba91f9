"""Keys are issued, rotated and revoked; every step is in the ledger, and no secret is anywhere."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from plimsoll import governance
from plimsoll.errors import UsageError
from plimsoll.kernel.access import Scopes

from .conftest import NOON, Desk

DAY = timedelta(days=1)


def test_a_key_is_its_id_and_a_secret(desk: Desk) -> None:
    """The credential names the row; what is kept of the secret opens to it and to nothing else."""
    issued = desk.issue()
    prefix, key, secret = issued.credential.split("_")
    (row,) = desk.catalog.access_keys()
    assert (prefix, key, row) == ("plm", row.id, issued.row)
    assert desk.pepper.opens(secret, row.secrets[0]) and not desk.pepper.opens(secret[:-1], row.secrets[0])


def test_no_secret_is_kept_or_said(desk: Desk, tmp_path: Path) -> None:
    """Not in the database, not in the ledger, not in a repr."""
    issued = desk.issue()
    secret = issued.credential.rpartition("_")[2]
    desk.catalog.close()
    assert all(secret.encode() not in p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert secret not in repr(issued)


def test_every_step_is_in_the_ledger_without_name_or_tenant(desk: Desk) -> None:
    """By whom and why; the chain holds."""
    key = desk.issue("ada@example.org", tenant="acme").row.id
    governance.rotate(desk.catalog.access, desk.pepper, key, overlap=DAY, actor="bob", now=NOON)
    governance.revoke(desk.catalog.access, key, reason="leaked", actor="eve", now=NOON)
    lines = list(desk.catalog.ledger(subject=key))
    assert [(x.entry.kind, x.entry.actor) for x in lines] == [
        ("key_issued", "ada"),
        ("key_rotated", "bob"),
        ("key_revoked", "eve"),
    ]
    assert "leaked" in lines[2].entry.summary and not any(w in repr(lines) for w in ("example.org", "acme"))


def test_while_a_key_is_rotated_two_secrets_open(desk: Desk) -> None:
    """The old one until the overlap ends; a second rotation leaves no third."""
    first = desk.issue()
    for step in (1, 2):
        at = NOON + step * timedelta(minutes=1)
        governance.rotate(desk.catalog.access, desk.pepper, first.row.id, overlap=DAY, actor="ada", now=at)
    (row,) = desk.catalog.access_keys()
    assert [s.expires_at for s in row.secrets] == [NOON + DAY + timedelta(minutes=2), None]
    governance.rotate(desk.catalog.access, desk.pepper, row.id, overlap=timedelta(), actor="ada", now=NOON)
    assert len(desk.catalog.access_keys()[0].secrets) == 1


def test_a_revoked_key_is_not_rotated_back(desk: Desk) -> None:
    """And revoking again changes nothing."""
    key = desk.issue().row.id
    first = governance.revoke(desk.catalog.access, key, reason="x", actor="ada", now=NOON)
    again = governance.revoke(desk.catalog.access, key, reason="y", actor="ada", now=NOON + DAY)
    assert first.revoked_at == again.revoked_at == NOON
    with pytest.raises(UsageError, match="revoked and cannot be rotated"):
        governance.rotate(desk.catalog.access, desk.pepper, key, overlap=DAY, actor="ada", now=NOON)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"tenant": "a b"}, "tenant 'a b'"),
        ({"tenant": ""}, "tenant ''"),
        ({"scopes": Scopes(actions=("aks",))}, "no action 'aks'"),  # type: ignore[arg-type]
        ({"scopes": Scopes(actions=())}, "would open nothing"),
        ({"expires_at": NOON}, "is over"),
    ],
)
def test_what_cannot_be_is_refused(desk: Desk, changes: dict[str, Any], said: str) -> None:
    """Before anything is written."""
    with pytest.raises(UsageError, match=said):
        desk.issue(**changes)
    assert desk.catalog.access_keys() == [] and desk.catalog.ledger_head()[0] == 0


def test_a_key_is_found_by_what_people_call_it(desk: Desk) -> None:
    """Its id, its beginning, its name; what is ambiguous or unknown is said."""
    rows = [desk.issue(name).row for name in ("checkout", "nightly", "nightly")]
    assert governance.found(rows, rows[0].id) == governance.found(rows, rows[0].id[:6]) == rows[0]
    assert governance.found(rows, "checkout") == rows[0]
    with pytest.raises(UsageError, match="any of 2 keys"):
        governance.found(rows, "nightly")
    with pytest.raises(UsageError, match="did you mean 'checkout'"):
        governance.found(rows, "chekout")
