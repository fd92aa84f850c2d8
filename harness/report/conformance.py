"""What conformance cases came to: for programs (JSON), for whatever shows test results (JUnit), for people (Markdown)."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from xml.etree import ElementTree

from harness.model.case import CaseOutcome, CaseResult
from harness.report.conformance_run import MaturityRow
from harness.report.convergence import Canaries, Convergence
from harness.report.junit import clean
from harness.report.maturity import maturity_markdown

FORMAT = 1
_READING = (
    "A case counts in the row of each feature that it needs, one of the bypass catalogue in that of its technique. "
    "Failures that are not marked are known, and listed with their reasons."
)
_FIELDS = ("case", "area", "dataplane", "outcome", "expected", "reason", "evidence", "rule", "symptoms", "admitted_meanwhile")


def conformance_json(results: Sequence[CaseResult], maturity: Sequence[MaturityRow] = ()) -> str:
    """Format 1 of docs/schemas/conformance.schema.json."""
    rows = [{name: getattr(result, name) for name in _FIELDS} for result in results]
    features = [row.model_dump(mode="json") for row in maturity]
    return json.dumps({"format": FORMAT, "results": rows, "maturity": features}, indent=1) + "\n"


def conformance_junit(results: Sequence[CaseResult], convergence: Mapping[str, Convergence]) -> str:
    """One suite a data plane, one test case a case.

    An outcome that was not expected is a failure or an error, a pass among them; one that was expected is a pass or, where it
    is not a pass itself, skipped with its reason.
    """
    root = ElementTree.Element("testsuites", name="conformance")
    for plane in dict.fromkeys(result.dataplane for result in results):
        mine = [result for result in results if result.dataplane == plane]
        tags = [_tag(result) for result in mine]
        suite = ElementTree.SubElement(
            root, "testsuite", name=clean(f"conformance.{plane}"), tests=str(len(mine)), failures=str(tags.count("failure")),
            errors=str(tags.count("error")), skipped=str(tags.count("skipped")),
        )  # fmt: skip
        if plane in convergence:
            properties = ElementTree.SubElement(suite, "properties")
            for name, value in (("p50", convergence[plane].p50), ("p99", convergence[plane].p99)):
                ElementTree.SubElement(properties, "property", name=f"convergence_{name}_seconds", value=f"{value:.6f}")
        for result, tag in zip(mine, tags, strict=True):
            _case(suite, result, tag)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _tag(result: CaseResult) -> str | None:
    if not result.expected:
        return "error" if result.outcome is CaseOutcome.ERROR else "failure"
    return None if result.outcome is CaseOutcome.PASS else "skipped"


def _case(suite: ElementTree.Element, result: CaseResult, tag: str | None) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=clean(f"{result.area}.{result.dataplane}"),
        name=clean(result.case),
        time=f"{result.seconds:.3f}",
    )
    if tag is not None:
        first = result.reason.partition("\n")[0]
        element = ElementTree.SubElement(
            case, tag, message=clean(f"{result.outcome}: {first}" if first else str(result.outcome))
        )
        element.text = clean(f"{result.reason}\nevidence: {result.evidence or 'none'}\nrule: {result.rule or 'none'}")


def conformance_markdown(
    results: Sequence[CaseResult],
    rows: Mapping[str, Sequence[str]],
    convergence: Mapping[str, Convergence],
    maturity: Sequence[MaturityRow] = (),
) -> str:
    """A row an area and feature, a column a data plane, for a CI summary.

    ``rows`` names the features that each case needs, or the way around policy that it tries; it counts in the row of each.
    What was not expected stands first.
    """
    planes = list(dict.fromkeys(result.dataplane for result in results))
    keys = sorted({(result.area, key) for result in results for key in rows[result.case]})
    lines = ["# Conformance", "", *_verdict(results, planes), ""]
    lines += [_row(["area", "feature or technique", *planes]), _row(["---"] * (2 + len(planes)))]
    for area, key in keys:
        members = [result for result in results if result.area == area and key in rows[result.case]]
        lines.append(_row([area, key, *(_cell([each for each in members if each.dataplane == plane]) for plane in planes)]))
    totals = [_cell([each for each in results if each.dataplane == plane]) for plane in planes]
    lines += [_row(["**all**", "", *totals]), "", _READING]
    lines += list(maturity_markdown(maturity))
    if convergence:
        lines += ["", _row(["policies handed over to enforced", "changes", "p50", "p99"]), _row(["---"] * 4)]
        lines += [_row([name, str(c.count), _ms(c.p50), _ms(c.p99)]) for name, c in convergence.items()]
    lines += list(_canaries({name: c.canaries for name, c in convergence.items() if c.canaries}))
    lines += list(_meanwhile(results))
    return "\n".join(lines) + "\n"


def _canaries(seen: Mapping[str, Canaries]) -> Iterator[str]:
    """A row a data plane: what became of connections that a change denies, begun again and again through it."""
    if seen:
        heads = ["canaries", "changes", "begun meanwhile", "got through", "last one, p50", "p99", "begun after", "got through"]
        yield from ("", _row(heads), _row(["---"] * len(heads)))
        for name, c in seen.items():
            figures = (c.changes, c.begun, c.admitted, _ms(c.last_p50), _ms(c.last_p99), c.after, c.late)
            yield _row([name, *map(str, figures)])


def _verdict(results: Sequence[CaseResult], planes: Sequence[str]) -> Iterator[str]:
    """The answer in a sentence, and a line for each outcome that was not expected."""
    red = [result for result in results if not result.expected]
    cases = len({result.case for result in results})
    asked = f"{counted(cases, 'case')} on {counted(len(planes), 'data plane')}"
    if not red:
        yield f"**All {counted(len(results), 'outcome')} as expected**: {asked}."
        return
    yield f"**{len(red)} of {counted(len(results), 'outcome')} not expected**: {asked}."
    yield ""
    yield from (f"- `{each.case}` on {each.dataplane}: {each.outcome}. {_inline(each.reason)}".rstrip() for each in red)


def counted(number: int, noun: str) -> str:
    """``1 case``, ``2 cases``."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _meanwhile(results: Sequence[CaseResult]) -> Iterator[str]:
    """A row a data plane that let messages through while a change that denies them was on its way into force."""
    counts: Counter[str] = Counter()
    for result in results:
        counts[result.dataplane] += result.admitted_meanwhile
    if any(counts.values()):
        yield from (
            "",
            _row(["wrongly admitted while a change was under way", "connections of canaries and messages of streams"]),
            _row(["---"] * 2),
        )
        yield from (_row([name, str(count)]) for name, count in counts.items() if count)


def _cell(results: Sequence[CaseResult]) -> str:
    counts = Counter(result.outcome for result in results)
    words = {CaseOutcome.PASS: "passed", CaseOutcome.FAIL: "**failed**", CaseOutcome.ERROR: "**in error**"}
    said = [f"{counts[outcome]} {words.get(outcome, outcome)}" for outcome in CaseOutcome if counts[outcome]]
    red = sum(not result.expected for result in results)
    return ", ".join(said) + (f" ({red} not expected)" if red else "")


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms"


def _inline(text: str) -> str:
    """The first line, without what Markdown would take for markup."""
    return text.partition("\n")[0].replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
