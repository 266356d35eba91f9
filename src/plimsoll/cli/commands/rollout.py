"""``plimsoll rollout …``: a person's word on what is on its way. None of it turns rollback off."""

from __future__ import annotations

from typing import Annotated

from cyclopts import App, Parameter

from plimsoll.cli.help import layout
from plimsoll.cli.options import Options, Shared
from plimsoll.cli.overriding import override

rollout = App(
    name="rollout",
    help="Pause, resume or abort the rollout that is under way; freeze or unfreeze all of them.\n\n"
    'Example: plimsoll rollout pause --reason "fare sale until Friday"',
    help_format="plaintext",
    help_formatter=layout,
    version_flags=(),
    result_action="return_value",
)

Reason = Annotated[str, Parameter(help="Why; it stands in the ledger.")]
Whose = Annotated[str | None, Parameter(help="Whose; needed where the home holds several.")]


@rollout.command
def pause(*, reason: Reason, capability: Whose = None, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """The candidate stays where it is. A fail still takes it back.

    Example: plimsoll rollout pause --reason "fare sale until Friday"
    """
    from plimsoll.kernel import override as overrides

    return override(shared, capability, lambda d, actor, now: overrides.pause(d, actor, reason))


@rollout.command
def resume(*, reason: Reason, capability: Whose = None, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """A paused candidate goes on; a held one starts its stage over.

    Example: plimsoll rollout resume --reason "the sale is over"
    """
    from plimsoll.kernel import override as overrides

    return override(shared, capability, lambda d, actor, now: overrides.resume(d, actor, reason, now))


@rollout.command
def abort(*, reason: Reason, capability: Whose = None, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """The candidate is withdrawn. It is not blamed: known bad is for evidence.

    Example: plimsoll rollout abort --reason "superseded by the one with weather"
    """
    from plimsoll.kernel import override as overrides

    return override(shared, capability, lambda d, actor, now: overrides.abort(d, actor, reason))


@rollout.command
def freeze(*, reason: Reason, capability: Whose = None, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """Nothing moves forward until it is unfrozen; everything may still come back.

    Example: plimsoll rollout freeze --reason "holiday weekend"
    """
    from plimsoll.kernel import override as overrides

    return override(shared, capability, lambda d, actor, now: overrides.freeze(d, actor, reason, on=True))


@rollout.command
def unfreeze(*, reason: Reason, capability: Whose = None, shared: Shared = Options()) -> int:  # noqa: B008 - frozen
    """Rollouts move forward again.

    Example: plimsoll rollout unfreeze --reason "the weekend is over"
    """
    from plimsoll.kernel import override as overrides

    return override(shared, capability, lambda d, actor, now: overrides.freeze(d, actor, reason, on=False))
