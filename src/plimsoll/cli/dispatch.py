"""From words to a call, and from what happened to an exit code. The command line's one supervisor."""

from __future__ import annotations

from collections.abc import Sequence

from cyclopts import App, CycloptsError

from plimsoll.cli.failure import broken, interrupted, refused, wrong_usage
from plimsoll.cli.inventory import COMMANDS
from plimsoll.errors import PlimsollError


def application() -> App:
    """The parser with every command, none of them imported yet."""
    from plimsoll.cli.help import layout

    app = App(
        name="plimsoll",
        help_format="plaintext",
        help_formatter=layout,
        version_flags=(),
        suppress_keyboard_interrupt=False,
        result_action="return_value",
    )
    for command in COMMANDS:
        app.command(command.path, name=command.name, help=None)
    return app


def dispatch(arguments: Sequence[str]) -> int:
    """Parse and run; never raises. 0 done, 1 refused, 2 wrong usage, 3 unavailable, 4 broken, 130 interrupted."""
    as_json = "--json" in arguments and arguments[0] != "rehearse"  # whose --json names a file
    try:
        code = application()(arguments, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        return wrong_usage(error, as_json)
    except PlimsollError as error:
        return refused(error, as_json)
    except KeyboardInterrupt:
        return interrupted()
    except BrokenPipeError:
        return 0  # `plimsoll log | head`: the reader has seen enough
    except Exception as error:  # noqa: BLE001 - the outermost supervisor: it writes the traceback and says where
        return broken(error, as_json)
    return code if isinstance(code, int) else 0
