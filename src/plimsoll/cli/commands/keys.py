"""``plimsoll keys …``: who may ask. A credential is shown once, when it is made."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from plimsoll.cli.help import layout
from plimsoll.cli.options import Options, Shared
from plimsoll.kernel.access import ACTIONS, EVERY, Action, Priority

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.governance import Issued
    from plimsoll.kernel.access import KeyRow
    from plimsoll.kernel.ports import Keys

keys = App(
    name="keys",
    help="Create, list, rotate and revoke the keys of those who ask.\n\n"
    "Example: plimsoll keys create checkout --tenant shop --action ask --action tell",
    help_format="plaintext",
    help_formatter=layout,
    version_flags=(),
    result_action="return_value",
)

Which = Annotated[str, Parameter(help="The key: its id, the beginning of it, or its name.")]


@keys.command
def create(
    name: Annotated[str, Parameter(help="What people call it: the service that will use it.")],
    *,
    tenant: Annotated[str, Parameter(help="Whose data: caches, limits and events are apart for each tenant.")],
    action: Annotated[tuple[Action, ...], Parameter(help="What it may do; may be repeated.", negative=())] = ACTIONS[
        :2
    ],
    capability: Annotated[tuple[str, ...], Parameter(help="On which capabilities; may be repeated.", negative=())] = (
        EVERY,
    ),
    priority: Annotated[Priority, Parameter(help="The highest that its requests may ask for.")] = "interactive",
    days: Annotated[float | None, Parameter(help="Days until it expires; default: never.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Make a key, and show its credential, once.

    Example: plimsoll keys create nightly --tenant shop --priority batch --days 90
    """
    from plimsoll import governance
    from plimsoll.app import open_home
    from plimsoll.cli.person import actor
    from plimsoll.kernel.access import Scopes
    from plimsoll.store import Pepper

    settings = shared.settings()
    with open_home(settings) as home:
        now = home.clock.now()
        issued = governance.issue(
            home.catalog.access,
            Pepper.kept(settings.pepper),
            name=name,
            tenant=tenant,
            scopes=Scopes(actions=action, capabilities=capability),
            priority=priority,
            expires_at=None if days is None else now + timedelta(days=days),
            actor=actor(),
            now=now,
        )
    return _show(shared, issued)


@keys.command(name="list")
def list_(*, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """Every key: for whom, what for, until when, and when it was last used.

    Example: plimsoll keys list
    """
    from plimsoll.app import WallClock
    from plimsoll.cli.reading import look

    now = WallClock().now()
    with look(shared.settings()) as catalog:
        rows = [{**_document(row), "standing": row.standing(now)} for row in catalog.access_keys()]
    shared.answer({"keys": rows}, _page_list)
    return 0


@keys.command
def rotate(
    key: Which,
    *,
    overlap_hours: Annotated[float, Parameter(help="Hours that the old secret goes on opening.")] = 24.0,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Give a key another secret. Both open for a while, so that nobody is locked out between them.

    Example: plimsoll keys rotate checkout --overlap-hours 48
    """
    from plimsoll import governance
    from plimsoll.cli.person import actor
    from plimsoll.store import Pepper

    settings = shared.settings()
    pepper = Pepper.read(settings.pepper)

    def turn(kept: Keys, row: KeyRow, now: Any) -> Issued:
        overlap = timedelta(hours=overlap_hours)
        return governance.rotate(kept, pepper, row.id, overlap=overlap, actor=actor(), now=now)

    return _show(shared, _on(shared, key, turn))


@keys.command
def revoke(
    key: Which,
    *,
    reason: Annotated[str, Parameter(help="Why; it stands in the ledger.")],
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """A key opens nothing any more, on every replica, within a second.

    Example: plimsoll keys revoke checkout --reason "found in a public repository"
    """
    from plimsoll import governance
    from plimsoll.cli.person import actor

    row = _on(
        shared, key, lambda kept, row, now: governance.revoke(kept, row.id, reason=reason, actor=actor(), now=now)
    )
    shared.answer({"key": _document(row)}, lambda console, document: console.print(f"key {row.id} is revoked"))
    return 0


def _on(shared: Options, key: str, turn: Any) -> Any:
    """``turn`` on the key that is meant, in a home that exists."""
    from plimsoll import governance
    from plimsoll.app import open_home
    from plimsoll.cli.reading import look

    settings = shared.settings()
    with look(settings) as catalog:
        row = governance.found(catalog.access_keys(), key)
    with open_home(settings) as home:
        return turn(home.catalog.access, row, home.clock.now())


def _document(row: KeyRow) -> dict[str, Any]:
    """A key for people and machines; what is kept of its secrets is for neither."""
    import msgspec

    fields = msgspec.structs.asdict(row)
    secrets = fields.pop("secrets")
    old_until = [s.expires_at for s in secrets if s.expires_at is not None]
    return {
        **fields,
        "scopes": msgspec.structs.asdict(row.scopes),
        "old_secret_until": old_until[0] if old_until else None,
    }


def _show(shared: Options, issued: Issued) -> int:
    def page(console: Console, document: dict[str, Any]) -> None:
        console.print(document["credential"], soft_wrap=True)
        console.print(f"key {issued.row.id}; this is the only time that its credential is shown", style="dim")

    shared.answer({"key": _document(issued.row), "credential": issued.credential}, page)
    return 0


def _page_list(console: Console, document: dict[str, Any]) -> None:
    from plimsoll.cli.page import table, when

    rows = [
        (key["id"], key["name"], key["tenant"], _may(key), _standing(key), when(key["last_used_at"]) or "never")
        for key in document["keys"]
    ]
    if not rows:
        console.print("there are no keys: [bold]plimsoll keys create NAME --tenant TENANT[/bold]")
        return
    table(console, ("id", "name", "tenant", "may", "standing", "last used"), rows)


def _may(key: dict[str, Any]) -> str:
    scopes = key["scopes"]
    on = "" if EVERY in scopes["capabilities"] else f" on {', '.join(scopes['capabilities'])}"
    return f"{', '.join(scopes['actions'])}{on}{' (batch)' if key['priority'] == 'batch' else ''}"


def _standing(key: dict[str, Any]) -> str:
    from plimsoll.cli.page import when

    valid = key["standing"] == "valid" and key["expires_at"]
    return f"valid until {when(key['expires_at'])}" if valid else key["standing"]
