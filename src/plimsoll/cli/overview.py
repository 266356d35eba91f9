"""The first screen: what there is, in the order in which it is needed. Plain text, no library."""

from __future__ import annotations

from collections.abc import Sequence

from plimsoll.cli.inventory import EXIT_CODES, Command


def overview(commands: Sequence[Command]) -> str:
    """What ``plimsoll --help`` prints."""
    lines = [
        "Plimsoll: an AI feature ships only on evidence, and comes back by itself when the evidence stops holding.",
        "",
        "Usage: plimsoll COMMAND [OPTIONS]        plimsoll COMMAND --help says more, with an example",
    ]
    width = max(len(c.name) for c in commands)
    for group in dict.fromkeys(c.group for c in commands):
        lines += ["", f"{group}:"]
        lines += [f"  {c.name:<{width}}  {c.summary}" for c in commands if c.group == group]
    lines += [
        "",
        "Every command takes --json and --home (state; default ./.plimsoll, or PLIMSOLL_HOME).",
        "Exit codes: " + " · ".join(f"{code} {meaning}" for code, meaning in EXIT_CODES),
        "",
        "Start here: plimsoll init my-feature && cd my-feature && plimsoll check && plimsoll release",
    ]
    return "\n".join(lines)
