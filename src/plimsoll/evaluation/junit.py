"""A gate's verdict as JUnit XML: one test case a requirement, for the systems that show test results.

The form is the one that Jenkins' xUnit plug-in describes and that GitLab, GitHub's actions, Azure and Buildkite read.
A failure is a requirement that does not hold or is not shown; an error is evidence that cannot be used.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from xml.etree import ElementTree as Xml

from plimsoll.kernel.explanation import Explanation
from plimsoll.kernel.figure import figure
from plimsoll.kernel.verdict import Ruling, Verdict

_TAGS = {Ruling.FAIL: "failure", Ruling.INCONCLUSIVE: "failure", Ruling.INVALID: "error"}
_UNWRITABLE = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0 has no way to write (section 2.2 of the recommendation)."""


def junit(
    verdict: Verdict, explanations: Sequence[Explanation], *, capability: str, properties: Mapping[str, str]
) -> bytes:
    """The document, as UTF-8. ``properties`` say what was judged: release, label, report."""
    counted = Counter(_TAGS.get(f.ruling, "") for f in verdict.findings)
    root, suite = _suite(capability, counted, len(verdict.findings), at=f"{verdict.at:%Y-%m-%dT%H:%M:%S}")
    known = Xml.SubElement(suite, "properties")
    for name, value in {**properties, "kernel_version": str(verdict.kernel_version)}.items():
        Xml.SubElement(known, "property", name=name, value=_text(value))
    for finding, said in zip(verdict.findings, explanations, strict=True):
        named = finding.requirement if finding.slice == "all" else f"{finding.requirement} [{finding.slice}]"
        case = _case(suite, capability, named)
        if tag := _TAGS.get(finding.ruling):
            problem = Xml.SubElement(case, tag, message=_text(said.says), type=finding.ruling.value)
            problem.text = _text(finding.reason)
        Xml.SubElement(case, "system-out").text = _text(_numbers(said))
    return _bytes(root)


def junit_of_error(error: str, kind: str, *, capability: str, at: str) -> bytes:
    """The document where there is no verdict: nothing could be judged, and why."""
    root, suite = _suite(capability, Counter({"error": 1}), 1, at=at)
    case = _case(suite, capability, "a release is built and judged")
    Xml.SubElement(case, "error", message=_text(error), type=kind).text = _text(error)
    return _bytes(root)


def _suite(capability: str, counted: Mapping[str, int], tests: int, *, at: str) -> tuple[Xml.Element, Xml.Element]:
    numbers = {"tests": str(tests), "failures": str(counted["failure"]), "errors": str(counted["error"])}
    root = Xml.Element("testsuites", {"name": "plimsoll", **numbers, "time": "0"})
    named = {"name": _text(f"{capability} gate"), **numbers, "skipped": "0", "time": "0", "timestamp": at}
    return root, Xml.SubElement(root, "testsuite", named)


def _case(suite: Xml.Element, capability: str, name: str) -> Xml.Element:
    return Xml.SubElement(suite, "testcase", classname=_text(f"{capability}.gate"), name=_text(name), time="0")


def _numbers(x: Explanation) -> str:
    beside = (x.limit, x.low, x.high)
    bounds = f"[{figure(x.low, *beside)}, {figure(x.high, *beside)}]"
    amount = f"{x.blocks} blocks, {x.events:,} events"
    return f"{x.says}\nestimate {figure(x.estimate, *beside)} {bounds} {x.unit} on {amount}; evidence {x.evidence}"


def _text(value: str) -> str:
    return _UNWRITABLE.sub("\ufffd", value)


def _bytes(root: Xml.Element) -> bytes:
    Xml.indent(root)
    made: bytes = Xml.tostring(root, encoding="utf-8", xml_declaration=True)
    return made + b"\n"
