"""``plimsoll trust …``: whose releases may bring code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import App, Parameter

from plimsoll.cli.help import layout
from plimsoll.cli.options import Options, Shared

if TYPE_CHECKING:
    from rich.console import Console

    from plimsoll.store import Trust

trust = App(
    name="trust",
    help="Say whose releases may bring code. A Python class in a release is run only if a key listed here signed it.\n\n"
    "Example: plimsoll trust new ada",
    help_format="plaintext",
    help_formatter=layout,
    version_flags=(),
    result_action="return_value",
)

Name = Annotated[str, Parameter(help="What people call the key: who has it.")]


@trust.command
def new(name: Name, *, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """Make the key that this home signs with, and trust it here. Prints the public half, for other homes to trust.

    Example: plimsoll trust new ada
    """
    public = _trust(shared).new(name)
    shared.answer({"name": name, "key": public}, lambda console, document: console.print(document["key"]))
    return 0


@trust.command
def add(
    name: Name,
    key: Annotated[str, Parameter(help="The public key: 64 hexadecimal digits.")],
    *,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Trust somebody's key: what they released may run here.

    Example: plimsoll trust add ada 3b6a27bcceb6a42d62a3a8d02a6f0d73653215771de243a63ac048a18b59da29
    """
    _trust(shared).add(name, key.lower())
    return _listed(shared)


@trust.command(name="list")
def list_(*, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """Every key that is trusted.

    Example: plimsoll trust list
    """
    return _listed(shared)


@trust.command
def remove(name: Name, *, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """Trust a key no longer. A release that is loaded answers until its server is started again.

    Example: plimsoll trust remove ada
    """
    _trust(shared).remove(name)
    return _listed(shared)


def _trust(shared: Options) -> Trust:
    from plimsoll.store import Trust

    return Trust(shared.settings().trust)


def _listed(shared: Options) -> int:
    shared.answer({"keys": _trust(shared).keys()}, _page)
    return 0


def _page(console: Console, document: dict[str, Any]) -> None:
    if not document["keys"]:
        console.print("no key is trusted: no release may bring code")
    for name, key in document["keys"].items():
        console.print(f"{key}  {name}", soft_wrap=True)
