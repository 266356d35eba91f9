"""What a ranking's declaration has to say, and cannot ask: the declaration's own checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from plimsoll.errors import InvalidDeclaration

if TYPE_CHECKING:
    from plimsoll.capability import Capability


def check_ranking(c: Capability) -> None:
    """Raises InvalidDeclaration where the rows of one query could be answered by two releases, or a score is asked for a unit."""
    if not c.task.group:
        return
    if c.source.sticky in ("", c.source.unit):
        raise InvalidDeclaration(
            f"{c.name}: source: sticky={c.source.sticky!r}: the rows of one {c.task.group} could be ranked by two releases",
            hint=f"give sticky={c.task.group!r}, or a column that is the same for all rows of one, such as the user",
        )
    if c.answer.promise is not None or c.golden:
        what = "answer: promise" if c.answer.promise is not None else f"suite: {c.golden[0]}"
        raise InvalidDeclaration(
            f"{c.name}: {what}: a ranking's scores have an order and no unit, so none of them is right or wrong by itself",
            hint='require an order instead: at_least("ndcg_at_10", …)',
        )
