"""Reachability probes as JUnit XML, for whatever shows test results.

Only what is deterministic stands here: a probe that was answered wrongly is a failure. Targets are statistical and
are read in the report; a target that was missed is a result, not a broken build.
"""

import re
from collections import Counter
from xml.etree import ElementTree

from harness.report.run import ConformanceRow, Run

_NOT_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def junit_xml(run: Run) -> str:
    """One suite a scenario and plane, one case a probe and block."""
    root = ElementTree.Element("testsuites", name=clean(run.title))
    keys = dict.fromkeys((row.scenario, row.dataplane) for row in run.conformance)
    for scenario, plane in keys:
        rows = [row for row in run.conformance if (row.scenario, row.dataplane) == (scenario, plane)]
        counts = Counter(row.outcome for row in rows)
        suite = ElementTree.SubElement(
            root, "testsuite", name=clean(f"{scenario}.{plane}"), timestamp=run.started, tests=str(len(rows)),
            failures=str(counts["fail"]), errors=str(counts["error"]), skipped=str(counts["unsupported"]),
        )  # fmt: skip
        properties = ElementTree.SubElement(suite, "properties")
        for name, value in run.fingerprint.items():
            ElementTree.SubElement(properties, "property", name=clean(name), value=clean(value))
        for row in rows:
            _case(suite, row)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _case(suite: ElementTree.Element, row: ConformanceRow) -> None:
    name = f"{row.flow} is {row.expected}" + (f" [block {row.block}]" if row.block else "")
    case = ElementTree.SubElement(suite, "testcase", classname=clean(f"{row.scenario}.{row.dataplane}"), name=clean(name))
    tag = {"fail": "failure", "error": "error", "unsupported": "skipped"}.get(row.outcome)
    if tag is None:
        return
    message = row.reason or f"expected {row.expected}, observed {row.observed}"
    element = ElementTree.SubElement(case, tag, message=clean(message))
    element.text = clean(f"expected: {row.expected}\nobserved: {row.observed}\nevidence: {row.evidence or 'none'}")


def clean(text: str) -> str:
    """XML 1.0 has no way to write control characters."""
    return _NOT_XML.sub("\N{REPLACEMENT CHARACTER}", text)
