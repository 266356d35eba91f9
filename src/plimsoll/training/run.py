"""Runs: a step is done once for the same inputs.

A run's key is the digest of everything that it reads. It is written down last, when its outputs are durable; so a
process that is killed in the middle leaves no run, only objects that nobody names (the next collection takes them).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from plimsoll.errors import Broken, Damaged, Unavailable, UsageError
from plimsoll.kernel.digest import digest, plain
from plimsoll.kernel.ports import Catalog, Clock, Objects, RunRow

ARTIFACTS = "artifacts"
"""The key in a run's outputs whose values (role → digest) name objects. The rest of the outputs is plain JSON."""


def step(
    catalog: Catalog,
    objects: Objects,
    *,
    name: str,
    inputs: Mapping[str, Any],
    work: Callable[[], Mapping[str, Any]],
    clock: Clock,
) -> RunRow:
    """Do ``work``, or give back the run that did it for the same ``name`` and ``inputs``.

    ``inputs`` is plain JSON and holds everything that can change the result: digests of data and code, parameters,
    seed, ``environment()``. ``work`` puts what it makes into ``objects`` and returns plain JSON, with the digests
    under ``artifacts``. An earlier run counts only while all of its artifacts are there and whole.
    Raises UsageError where the inputs are not JSON, Broken where ``work`` names an artifact that it did not put.
    """
    key = run_key(name, inputs)
    found = catalog.find_run(key)
    if found is not None and _whole(objects, found.outputs):
        return found
    outputs = _checked(objects, name, work())
    row = RunRow(key=key, step=name, inputs=plain(dict(inputs)), outputs=outputs, finished_at=clock.now())
    catalog.add_run(row)
    return row


def run_key(name: str, inputs: Mapping[str, Any]) -> str:
    """The digest of a step's name and inputs. Raises UsageError, naming the input that is not JSON."""
    for field, value in inputs.items():
        try:
            digest(value)
        except TypeError as error:
            raise UsageError(
                f"step {name!r}: the input {field!r} cannot be part of a key: {error}",
                hint="give plain JSON: the digest of data or code instead of the thing itself",
            ) from error
    return digest({"step": name, "inputs": dict(inputs)})


def _checked(objects: Objects, name: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    for role, what in outputs.get(ARTIFACTS, {}).items():
        if not objects.has(what):
            raise Broken(f"step {name!r} names the {role} {what[:12]}, which it did not put into the objects")
    kept: dict[str, Any] = plain(dict(outputs))
    return kept


def _whole(objects: Objects, outputs: Mapping[str, Any]) -> bool:
    """Whether every artifact can still be read: an object that was collected or damaged is made again."""
    return all(_readable(objects, what) for what in outputs.get(ARTIFACTS, {}).values())


def _readable(objects: Objects, what: str) -> bool:
    try:
        objects.get(what)
    except (Damaged, Unavailable):
        return False
    return True
