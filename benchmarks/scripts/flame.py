"""Where a request spends its time: a flame graph of the real server under load.

``python -m benchmarks.scripts.flame OUT.svg`` asks a server with the core path over 16 connections and draws what its
event loop was doing. A timer of the processor time that it uses (``ITIMER_PROF``) interrupts it, and its stack is noted:
waiting for requests weighs nothing. A C function (the model, the parser, a system call) counts for the Python function
that called it; what the event loop does by itself, reading from sockets and writing to them, is one frame of its own.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from types import FrameType

EVERY_S = 0.001
SECONDS = 10
CONNECTIONS = 16
WIDTH, ROW, LEFT = 980.0, 17, 10
LEAST = 0.004
"""A frame with a smaller share of the time is not drawn."""
LOOP = "uvloop and the kernel: sockets"
Stack = tuple[str, ...]
_FIRST = 4
"""The first instructions of a function, as the interpreter counts them."""


class Sampler:
    """Notes the main thread's stack every so often of processor time, until ``stop``; ``found`` counts them."""

    def __init__(self) -> None:
        self.found: Counter[Stack] = Counter()
        signal.signal(signal.SIGPROF, self._look)
        signal.setitimer(signal.ITIMER_PROF, EVERY_S, EVERY_S)

    def stop(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0.0)

    def _look(self, number: int, frame: FrameType | None) -> None:
        self.found[stack_of(frame)] += 1


def stack_of(frame: FrameType | None) -> Stack:
    """Our own functions, the outermost first, from where the event loop calls them."""
    names: list[str] = []
    just_begun = frame is not None and frame.f_lasti <= _FIRST
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        if module.startswith("plimsoll."):
            names.append(f"{module.removeprefix('plimsoll.').removeprefix('serving.')}.{frame.f_code.co_qualname}")
        frame = frame.f_back
    path = [name for name in reversed(names) if not name.startswith("server.Server")]
    if just_begun and len(path) == 1:  # the timer went off before it was called, and only now is there Python to tell
        return (LOOP,)
    return tuple(path) or (LOOP,)


def serve(folder: Path, out: Path) -> None:
    """Serve, and leave what was seen in ``out``."""
    from benchmarks.scripts import serving_ours

    sampler = Sampler()
    serving_ours.serve(folder, {"key"}, None)
    sampler.stop()
    out.write_text(json.dumps(list(sampler.found.items())))


def sampled() -> dict[Stack, int]:
    """How often each stack was seen while the server was asked."""
    from benchmarks.driving import Target, drive, first_answer, started
    from benchmarks.scripts.serving_ours import NAME
    from benchmarks.servers import BODIES, build, question

    with tempfile.TemporaryDirectory() as name:
        folder, out = Path(name), Path(name) / "found.json"
        build(folder)
        credential = (folder / "plain" / "credential").read_text()
        with started([sys.executable, "-m", "benchmarks.scripts.flame", "serve", folder, out]) as (pid, port):
            bodies = [question(i) for i in range(BODIES)]
            headers = {"authorization": f"Bearer {credential}"}
            target = Target(pid, port, f"/v2/models/{NAME}/infer", bodies, headers)
            first_answer(target)
            drive(target, CONNECTIONS, SECONDS)
        found: dict[Stack, int] = {tuple(stack): seen for stack, seen in json.loads(out.read_text())}
    hot = ("protocol.HotProtocol.data_received", "desk.Desk._begin", LOOP)
    return {stack: seen for stack, seen in found.items() if stack[0] in hot}


def drawn(found: dict[Stack, int]) -> str:
    """The graph as SVG: a frame's width is its share of the time, its callees stand on it."""
    whole = sum(found.values())
    rects: list[str] = []
    deepest = _frames([(stack, seen) for stack, seen in sorted(found.items())], 0, 0.0, whole, rects)
    height = (deepest + 2) * ROW
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH + 2 * LEFT:.0f} {height}" '
        f'font-family="ui-monospace, monospace" font-size="10.5">\n'
        f"<style>rect{{stroke:#fff;stroke-width:.6}}text{{pointer-events:none}}</style>\n"
        f'<g transform="translate({LEFT},{height - ROW}) scale(1,1)">\n'
    )
    return head + "\n".join(rects) + "\n</g>\n</svg>\n"


def _frames(found: Sequence[tuple[Stack, int]], depth: int, x: float, whole: int, rects: list[str]) -> int:
    """Draw what stands at ``depth``, and on it what it calls; how deep that was."""
    deepest, names = depth, dict.fromkeys(stack[depth] for stack, _ in found if len(stack) > depth)
    for name in names:
        inside = [(stack, seen) for stack, seen in found if len(stack) > depth and stack[depth] == name]
        share = sum(seen for _, seen in inside) / whole
        if share >= LEAST:
            rects.append(_rect(name, share, depth, x))
            deepest = max(deepest, _frames(inside, depth + 1, x, whole, rects))
        x += share
    return deepest


_COLOURS = {"protocol": "#8fb8de", "desk": "#b9a7d6", "admission": "#f2c879", "oip": "#9ccfb0", "models": "#ee9b86"}


def _rect(name: str, share: float, depth: int, x: float) -> str:
    left, width, top = x * WIDTH, share * WIDTH, -(depth + 1) * ROW
    colour = _COLOURS.get(name.partition(".")[0], "#d8d4cc")
    short = name.rpartition(".")[2] if name != LOOP else name
    room = int((width - 6) / 6.4)
    shown = short if len(short) <= room else f"{short[: room - 1]}…" if room > 3 else ""
    text = f'<text x="{left + 3:.1f}" y="{top + 12}">{escape(shown)}</text>' if shown else ""
    rect = f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{ROW}" fill="{colour}"/>'
    return f"<g><title>{escape(name)}: {share:.1%}</title>{rect}{text}</g>"


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve(Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        Path(sys.argv[1]).write_text(drawn(sampled()), encoding="utf-8")
