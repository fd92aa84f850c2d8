"""``meshproof gate``."""

from pathlib import Path
from typing import Annotated

import typer

from harness.cli.compare import check_file, write_lines
from harness.cli.status import UsageError, guarded


def gate(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN...", help="Folders of finished runs, of `bench` or `conform --out`.")
    ],
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="BASELINE", help="An earlier run's folder; one for each kind of RUN. `bench` needs one."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as Markdown, as for a CI summary.")] = None,
    expectations: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Known outcomes of conformance cases; without, the shipped file."),
    ] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also runs of different set-ups: then ratios within each run alone are compared.")
    ] = False,
    tolerance: Annotated[
        float, typer.Option(min=0, metavar="PERCENT", help="Let a figure be so much worse, however sure that is.")
    ] = 0.0,
) -> int:
    """Judge finished runs against a baseline: one gate for figures and for conformance, made for CI.

    Red are: a figure that is worse by more than the noise floor, with its whole interval; a target that was reached in the
    baseline and is missed; a policy probe that failed; a conformance case that came to something else than the file of
    expectations says, a pass among them; a case that passed and is declared unsupported now; figures that are missing. A
    quick run has no intervals: of it only policy and completeness are judged. Needs no root.

    Exit status: 0 passed, 1 something is red, 2 bad input or different fingerprints (see --anyway), 4 a run is void.

    \b
    Examples:
      meshproof gate results/mine --against results/reference
      meshproof gate results/mine results/cases --against results/reference --against results/conformance
      meshproof gate results/cases --expectations my/expectations.yaml --json
      meshproof gate results/quick --against results/reference --anyway --markdown "$GITHUB_STEP_SUMMARY"
    """

    def command() -> int:
        check_file("--markdown", markdown)
        from harness.report import gate_text  # noqa: PLC0415 -- pandas and scipy, not for --help
        from harness.report.conformance_run import FILE  # noqa: PLC0415 -- the same
        from harness.report.gate_bench import judge_bench  # noqa: PLC0415 -- the same
        from harness.report.gate_conformance import judge_conformance, shipped_expectations  # noqa: PLC0415 -- the same
        from harness.report.gate_findings import Found  # noqa: PLC0415 -- the same

        found = Found()
        kinds = {True: "conform", False: "bench"}
        baselines: dict[bool, Path] = {}
        for baseline in against or []:
            of_cases = (baseline / FILE).is_file()
            if of_cases in baselines:
                raise UsageError(
                    f"--against {baselines[of_cases]} and {baseline} are both of `{kinds[of_cases]}`: name one of each"
                )
            baselines[of_cases] = baseline
        of_kind = {run: (run / FILE).is_file() for run in runs}
        for of_cases, baseline in baselines.items():
            if of_cases not in of_kind.values():
                raise UsageError(
                    f"--against {baseline} is of `{kinds[of_cases]}`, and no RUN is: name one to be judged against it"
                )
        for run, of_cases in of_kind.items():
            if of_cases:
                judge_conformance(run, baselines.get(True), expectations or shipped_expectations(), found)
            elif False not in baselines:
                raise UsageError(f"{run} is of `bench`: say which run it is judged against by --against")
            else:
                judge_bench(run, baselines[False], found, anyway=anyway, tolerance=tolerance / 100)
        verdict = found.gate()
        if markdown:
            write_lines(markdown, gate_text.markdown(verdict))
        typer.echo(verdict.model_dump_json(indent=1) if as_json else "\n".join(gate_text.terminal(verdict)))
        return verdict.status

    return guarded(command)
