"""``meshproof compare``."""

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.status import Status, UsageError, guarded, say


def compare(
    before: Annotated[Path, typer.Argument(metavar="A", help="Folder of a finished run of `bench`.")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Another, which is compared with it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print the comparison as JSON.")] = False,
    markdown: Annotated[Path | None, typer.Option(metavar="FILE", help="Write it as Markdown.")] = None,
    anyway: Annotated[
        bool, typer.Option("--anyway", help="Also runs of different set-ups: then ratios within each run alone.")
    ] = False,
) -> int:
    """Compare two finished runs: for each figure of both, how many times run A it is in run B, and whether that is sure.

    Runs are not paired. So each run's ratio to its control, taken within blocks, is compared first; figures in their own unit
    stand beside, as of different times. Needs neither root nor the machine that the runs were made on.

    Refuses runs of different fingerprints; only commit and seed may differ. Exit status: 0, also where something is worse
    (`gate` judges that); 2 bad input or different fingerprints.

    \b
    Examples:
      meshproof compare results/before results/after
      meshproof compare results/reference results/mine --markdown changes.md
      meshproof compare results/here results/elsewhere --anyway --json
    """

    def command() -> int:
        check_file("--markdown", markdown)
        from harness.report import comparison, comparison_text  # noqa: PLC0415 -- pandas and scipy, not for --help

        found = comparison.compare(before, after, anyway=anyway).comparison
        if markdown:
            write_lines(markdown, comparison_text.markdown(found))
        if found.differs and as_json:
            say("meshproof: different set-ups: " + "; ".join(map(str, found.differs)))
        typer.echo(found.model_dump_json(indent=1) if as_json else "\n".join(comparison_text.terminal(found)))
        return Status.EXPECTED

    return guarded(command)


def check_file(option: str, file: Path | None) -> None:
    """Raises UsageError where a file cannot be written, before anything is read."""
    if file is not None and (file.is_dir() or not file.parent.is_dir()):
        why = "that is a folder" if file.is_dir() else f"there is no folder {file.parent}"
        raise UsageError(f"{option} {file}: {why}; name a file")


def write_lines(file: Path, lines: Iterable[str]) -> None:
    """A text file, whole."""
    file.write_text("\n".join(lines) + "\n")
