"""``plimsoll rollback``: one pointer move to a release that was good. No gate is asked, nothing is waited for."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter

from plimsoll.cli.options import Options, Shared


def rollback(
    *,
    reason: Annotated[str, Parameter(help="Why; it stands in the ledger.")],
    to: Annotated[
        str | None, Parameter(help="A release that held a good lease; default: the last good one, else the fallback.")
    ] = None,
    capability: Annotated[str | None, Parameter(help="Whose; needed where the home holds several.")] = None,
    shared: Shared = Options(),  # noqa: B008 - frozen
) -> int:
    """Go back, now: to the last good release, to the one that is named, or to the fallback.

    It is a person's decision and blames nobody: the release that goes is not marked as known bad.

    Example: plimsoll rollback --reason "callers see nonsense for San Juan"
    """
    from plimsoll.cli.overriding import override
    from plimsoll.cli.reading import catalog_of, only_capability
    from plimsoll.kernel import override as overrides
    from plimsoll.kernel.records import FALLBACK

    target = to
    if to is not None and to != FALLBACK:
        with catalog_of(shared.settings()) as catalog:
            target = catalog.release(only_capability(catalog, capability), to).digest
    return override(shared, capability, lambda d, actor, now: overrides.rollback(d, actor, reason, now, to=target))
