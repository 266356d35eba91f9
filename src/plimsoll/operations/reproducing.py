"""Building a release again from its manifest: the same snapshots, split, parameters and seed, through the same code."""

from __future__ import annotations

from dataclasses import dataclass

from plimsoll.capability import Capability
from plimsoll.errors import Refused
from plimsoll.kernel.digest import canonical, short
from plimsoll.kernel.ports import ReleaseRow
from plimsoll.operations.again import again, code_again
from plimsoll.operations.building import code_of, trained
from plimsoll.operations.yard import Yard


@dataclass(frozen=True, slots=True, kw_only=True)
class Remade:
    """What building again gave: role → digest. ``code`` differs where the code has changed since."""

    artifacts: dict[str, str]


def reproduce(capability: Capability, yard: Yard, row: ReleaseRow) -> Remade:
    """Train ``row`` again, without looking at earlier runs.

    Parameters, seed, split and schema are the manifest's; the code is today's, and its digest shows whether it is the
    same. Raises Refused for a release that was never trained, UsageError where a snapshot or a view is gone.
    """
    if "model" not in row.manifest.artifacts:
        raise Refused(
            f"{row.label} {short(row.digest)} was refused before it was trained: there is nothing to make again"
        )
    rows = again(capability, yard, row.manifest)
    made = trained(rows.capability, yard, rows.schema, rows.parts, rows.lines, rows.gate)
    code = code_again(rows, code_of(rows.capability))
    return Remade(artifacts={**made["artifacts"], "code": yard.objects.put(canonical(code))})
