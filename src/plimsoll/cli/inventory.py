"""Every command once: its name, where it lives, one line about it. Modules are imported when a command is run."""

from __future__ import annotations

from typing import NamedTuple


class Command(NamedTuple):
    """``path`` is ``module:attribute``: a function, or a nested application for commands of two words."""

    name: str
    path: str
    summary: str
    group: str


def _command(name: str, summary: str, group: str, attribute: str = "") -> Command:
    return Command(name, f"plimsoll.cli.commands.{name}:{attribute or name}", summary, group)


COMMANDS = (
    _command("init", "Scaffold a capability that works as it is", "Ship"),
    _command("check", "Check declaration, contracts, known times and the rollout's power", "Ship"),
    _command("plan", "How long a rollout takes, what it can see, and what a fault would cost", "Ship"),
    _command("calibrate", "What the gate and the rollout stop, and what they cannot see", "Ship"),
    _command("release", "Train, measure, judge; if the gate passes, queue it for its rollout", "Ship"),
    _command("evaluate", "Look deeply into a release: inputs in trouble, ablation, churn, attribution, copies", "Ship"),
    _command("rehearse", "Replay recorded traffic through the whole loop on a virtual clock", "Ship"),
    _command("reproduce", "Build a release again from its manifest and compare the digests", "Ship"),
    _command("score", "Score the rows of files with a release, resumably", "Ship"),
    _command("up", "Serve, and run the loop beside it", "Watch"),
    _command("status", "What is live, what waits, for what and until when", "Watch"),
    _command("explain", "Every verdict about a release, with its numbers and evidence", "Watch"),
    _command("log", "The ledger: what was decided, when and why; verify it; ask what was live then", "Watch"),
    _command("disagreements", "Where a release and another one part; the cases to label", "Watch"),
    _command("diff", "What changed between two releases, and what that did", "Watch"),
    _command("replay", "Judge past verdicts again from the ledger, and say whether they are the same", "Watch"),
    _command("whatif", "What another policy would have decided in every past rollout, and its cost", "Watch"),
    _command("doctor", "Look a set-up over: what is wrong with it, and what to do", "Watch"),
    _command("events", "Ask the recorded events with SQL", "Watch"),
    _command("backup", "Write the home into one archive, while it serves", "Watch"),
    _command("restore", "Make a home from an archive", "Watch"),
    _command("upgrade", "Bring the catalog's schema up to this Plimsoll", "Watch"),
    _command("collect", "Delete the bytes that no release which may come back needs", "Watch"),
    _command("keys", "Create, list, rotate and revoke the keys of those who ask", "Watch"),
    _command("features", "Push rows into the tables that online features are made from", "Watch"),
    _command("trust", "Say whose releases may bring code: make, add, list and remove signing keys", "Watch"),
    _command("rollback", "Go back to the last good release, now", "Come back"),
    _command("rollout", "Pause, resume, abort or freeze what is on its way", "Come back"),
)

EXIT_CODES = (
    (0, "done"),
    (1, "refused by a verdict"),
    (2, "wrong usage"),
    (3, "unavailable: trying again may help"),
    (4, "broken: our bug, or damaged data"),
    (130, "interrupted"),
)
