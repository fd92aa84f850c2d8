"""``meshproof conform``."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from harness.campaign.conformance.features import needs
from harness.campaign.conformance.maturity import check_needs, maturity_rows
from harness.campaign.conformance.run import Conformance, Outcomes
from harness.cli.conform_coverage import show_coverage
from harness.cli.conform_folder import Folder
from harness.cli.conform_machines import check_lab, on_machines
from harness.cli.keeper import Ready, hold, keep
from harness.cli.progress import Display
from harness.cli.rounds import in_a_row
from harness.cli.status import Status, UsageError, guarded, interruptible, say_not_judged
from harness.dataplanes import find, registered
from harness.dataplanes.port import DataPlane
from harness.judge.conformance import gate
from harness.lab.port import Lab
from harness.manifests.case import load_cases
from harness.manifests.expectations import expectations_for
from harness.manifests.maturity import load_maturity
from harness.model.case import Case, CaseResult, ExpectedOutcome
from harness.report.conformance import conformance_json, conformance_junit, conformance_markdown
from harness.report.conformance_run import MaturityRow
from harness.report.conformance_text import plane_lines, unexpected_lines
from harness.report.convergence import Convergence
from harness.report.maturity import maturity_lines

CONTROL = "plain"
DATA_PLANES = ("sidecar-mtls", "node-proxy", "ebpf", "ebpf-sockmap", "nftables")


@dataclass(frozen=True, slots=True)
class Files:
    """Where results are written."""

    json: Path | None
    junit: Path | None
    markdown: Path | None

    def __post_init__(self) -> None:
        """Raises UsageError where one cannot be written: that must not be found out when all was run."""
        for option, file in (("--json", self.json), ("--junit", self.junit), ("--markdown", self.markdown)):
            if file is not None and (file.is_dir() or not file.parent.is_dir()):
                why = "that is a folder" if file.is_dir() else f"there is no folder {file.parent}"
                raise UsageError(f"{option} {file}: {why}; name a file")


def conform(
    paths: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[PATH]...", help="Cases, or folders of cases; scenarios/conformance when none is given."),
    ] = None,
    dataplane: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help=f"A data plane; repeat for more. Without: {', '.join(DATA_PLANES)}."),
    ] = None,
    json: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the results as JSON (of --coverage, the table).")
    ] = None,
    junit: Annotated[Path | None, typer.Option(metavar="FILE", help="Write them as JUnit XML.")] = None,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a matrix, feature by data plane.")] = None,
    expectations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Known outcomes of the cases in this file's folder and below."),
    ] = None,
    repeat: Annotated[int | None, typer.Option(min=2, help="Run all so many times in a row, and tell what differs.")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="Write a run's folder: report.html, report.pdf, and all results.")
    ] = None,
    go_on: Annotated[bool, typer.Option("--resume", help="With --repeat: go on with the rounds in --out.")] = False,
    search: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Draw N sets of policies, flows and packets instead; write what fails to --out."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of --search: another draws others.")] = 1,
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="End with the first case that fails.")] = False,
    show: Annotated[
        bool,
        typer.Option("--coverage", help="Run nothing: print which fields and values the cases ask about, and which alone."),
    ] = False,
    keep_lab: Annotated[
        bool, typer.Option("--keep", help="Leave the lab up, for `meshproof exec` and `down`: one case on one data plane.")
    ] = False,
    lab: Annotated[
        str, typer.Option(metavar="netns|qemu|vagrant", help="What nodes are: namespaces of this kernel, or machines each.")
    ] = "netns",
    kernel: Annotated[
        str | None, typer.Option(metavar="NAME", help="With --lab qemu or vagrant: the nodes' kernel, 6.1 (default) or 6.12.")
    ] = None,
) -> int:
    """Run conformance cases on data planes: which policies does each enforce, and does it deny for the right reason?

    Both oracles must agree with a case first, and every flow must get through on the control, plain. Then policies are
    applied, and each flow is asked, never again until it fits. Needs root.

    With --lab qemu or vagrant each node is a virtual machine: data planes attach inside, and what was answered
    across nodes must have been on the wire. Such a run carries no figures.

    With --search cases are drawn, not read. The first that fails is made as small as it can be, and written as a case.

    Exit status: 0 all as expected, 1 an outcome that was not expected (a pass among them), 2 bad input,
    3 this machine cannot, 130 interrupted.

    \b
    Examples:
      sudo meshproof conform
      sudo meshproof conform --out results/mine
      sudo meshproof conform my/cases --dataplane ebpf --json results.json
      sudo meshproof conform scenarios/conformance/policy/CASE --dataplane ebpf --keep
      sudo meshproof conform --repeat 20 --out results/rounds
      sudo meshproof conform --search 200 --dataplane ebpf --out results/search
      sudo meshproof conform scenarios/conformance/policy/np-both-ends --lab qemu --dataplane ebpf
      meshproof conform --coverage
    """

    def command() -> int:
        if search is not None:
            others = (paths, json, junit, markdown, expectations, repeat, go_on, fail_fast, show, keep_lab)
            return _searched(search, seed, dataplane or [], out, alone=not any(others))
        cases = load_cases(paths or [])
        if not cases:
            raise UsageError("no conformance case in what was named: a case is a folder AREA/CASE with a scenario.yaml")
        say_not_judged(case.not_judged for case in cases)
        if show:
            if dataplane or junit or markdown or out or keep_lab or repeat or go_on:
                raise UsageError("--coverage runs nothing: it goes with --json alone")
            show_coverage(cases, json)
            return Status.EXPECTED
        listed = expectations_for(cases, registered(), expectations, paths or [])
        planes = [find(name) for name in dict.fromkeys(dataplane or DATA_PLANES)]
        features = load_maturity()
        check_needs(features)
        files = Files(json, junit, markdown)
        check_lab(lab, kernel, others=any((repeat, go_on, keep_lab, fail_fast, out)))
        if lab != "netns":
            results, known = on_machines(lab, kernel, cases, [plane.name for plane in planes], listed)
            return _report(cases, Outcomes(results), known, files, typer.echo)
        if repeat is not None:
            if out is None:
                raise UsageError("--repeat needs --out: the folder where the rounds are kept")
            return in_a_row(cases, planes, find(CONTROL), listed, rounds=repeat, folder=out, go_on=go_on)
        if go_on:
            raise UsageError("--resume goes with --repeat")
        if keep_lab:
            _check_keep(cases, planes, out)
            return keep(lambda ready: _kept(cases, planes, listed, files, ready))
        folder = Folder(out) if out is not None else None
        with interruptible(), Display("outcomes") as display:
            outcomes = Conformance(cases, planes, find(CONTROL), display, fail_fast=fail_fast).run()
        if folder is not None:
            folder.write(cases, planes, find(CONTROL), outcomes, listed, features)
        rows = [MaturityRow.model_validate(row) for row in maturity_rows(features, cases, planes, outcomes.results)]
        return _report(cases, outcomes, listed, files, typer.echo, rows)

    return guarded(command)


def _searched(examples: int, seed: int, planes: Sequence[str], out: Path | None, *, alone: bool) -> Status:
    """Search; ``alone``: nothing else was asked for. Raises UsageError."""
    if not alone:
        raise UsageError("--search draws its cases: it goes with --seed, --dataplane and --out alone")
    if out is None or len(planes) != 1:
        raise UsageError("--search needs one --dataplane, and --out: the folder for what it finds")
    from harness.cli.conform_search import search  # noqa: PLC0415 -- hypothesis, which takes a second to import
    from harness.search.shrinking import Bounds  # noqa: PLC0415 -- the same

    return search(find(planes[0]), find(CONTROL), Bounds(examples), seed, out)


def _check_keep(cases: Sequence[Case], planes: Sequence[DataPlane], out: Path | None) -> None:
    if out is not None:
        raise UsageError("--out goes without --keep: a report is about runs that are over")
    if len(cases) != 1 or len(planes) != 1:
        raise UsageError(f"--keep needs one case and one --dataplane; here are {len(cases)} and {len(planes)}")


def _kept(
    cases: Sequence[Case], planes: Sequence[DataPlane], listed: Sequence[ExpectedOutcome], files: Files, ready: Ready
) -> None:
    """What the keeper does: judge the case, say so, and hold its lab; where no lab came to be held, just end."""

    def held(lab: Lab, results: Sequence[CaseResult]) -> None:
        lines: list[str] = []
        status = _report(cases, Outcomes(list(results)), listed, files, lines.append)
        lines += [f"lab {lab.name} is up: meshproof exec POD -- COMMAND..., then meshproof down"]
        lines += [f"  {pod.pod.ref} on {pod.pod.node}: {' '.join(pod.pod.ips)}" for pod in lab.pods]
        ready("\n".join(lines), status)
        hold()

    with Display("outcomes") as display:
        outcomes = Conformance(cases, planes, find(CONTROL), display).run(held)
    lines: list[str] = []
    status = _report(cases, outcomes, listed, files, lines.append)
    ready("\n".join([*lines, "no lab was made"]), status)


def _report(
    cases: Sequence[Case],
    outcomes: Outcomes,
    listed: Sequence[ExpectedOutcome],
    files: Files,
    say: Callable[[str], object],
    maturity: Sequence[MaturityRow] = (),
) -> Status:
    """Judge the outcomes by what was expected, write the files and say what came of it."""
    results = gate(outcomes.results, listed)
    convergence = {
        name: Convergence.of(seconds, outcomes.canaries.get(name, ())) for name, seconds in outcomes.convergence.items()
    }
    if files.json:
        files.json.write_text(conformance_json(results, maturity))
    if files.junit:
        files.junit.write_text(conformance_junit(results, convergence))
    if files.markdown:
        rows = {case.id: [str(case.technique)] if case.technique else [str(each) for each in needs(case)] for case in cases}
        files.markdown.write_text(conformance_markdown(results, rows, convergence, maturity))
    by_id = {case.id: case for case in cases}
    for result in results:
        if not result.expected:
            for line in unexpected_lines(by_id[result.case], result, listed):
                say(line)
    for line in (*plane_lines(results, convergence), *maturity_lines(maturity)):
        say(line)
    for trouble in outcomes.troubles:
        say(f"meshproof: {trouble}")
    if outcomes.troubles and all(result.expected for result in results):
        return Status.CANNOT
    return Status.EXPECTED if all(result.expected for result in results) else Status.UNEXPECTED
