"""Which runs there are, of ``bench`` and of ``conform``, and what each says of itself.

Of ``run.json`` only a few fields are taken out, whatever size it has. Fields that an older run lacks are "not known".
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb

from harness.report import conformance_run, run
from harness.report.run import RunError
from harness.report.setups import set_up

_FILES = {"run.json": run.FORMAT, conformance_run.FILE: conformance_run.FORMAT}
_ASKED = {
    "run.json": ("format", "started", "mode", "fingerprint", "dataplanes", "scenarios", "targets", "voids", "conformance"),
    conformance_run.FILE: ("format", "started", "fingerprint", "dataplanes", "results"),
}
_LOAD = ("kind", "rate", "half_of_slowest", "seconds", "warmup", "connections", "arrivals", "family", "path", "headers", "mix")


@dataclass(frozen=True, slots=True)
class KnownRun:
    """A run. ``targets`` and ``void``: how many of how many; ``unexpected``: probes, or outcomes of cases, that were.

    ``loads``: a digest of what each load of each scenario asks for. Only the same is drawn as one course.
    """

    path: Path
    folder: str
    kind: str
    started: str
    commit: str
    mode: str
    set_up: str
    fingerprint: dict[str, str]
    planes: tuple[str, ...]
    unexpected: int
    targets: tuple[int, int] | None = None
    void: tuple[int, int] | None = None
    loads: dict[tuple[str, str], str] = field(default_factory=dict)
    titles: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Known:
    """Runs in the order in which they were started, and a line for each file that could not be read."""

    runs: list[KnownRun]
    skipped: list[str]


def known_runs(connection: duckdb.DuckDBPyConnection, folders: Sequence[Path]) -> Known:
    """The runs in ``folders`` and below. Raises RunError where a folder is missing or none holds any run."""
    for folder in folders:
        if not folder.is_dir():
            raise RunError(f"{folder}: no such folder; name one that holds runs' folders")
    runs, skipped = [], []
    for file, folder in _files(folders):
        try:
            runs.append(_read(connection, file, folder))
        except (duckdb.Error, RunError, KeyError, TypeError, AttributeError, ValueError) as fault:
            told = str(fault).splitlines()[0] if isinstance(fault, duckdb.Error | RunError) else f"not as expected: {fault!r}"
            skipped.append(told if str(file) in told else f"{file}: {told}")
    if not runs:
        raise RunError("\n".join([f"no run that can be read in {', '.join(map(str, folders))}", *skipped]))
    return Known(sorted(runs, key=lambda each: (each.started, each.folder)), skipped)


def _files(folders: Sequence[Path]) -> Iterator[tuple[Path, Path]]:
    """Every file that a run begins with, once, and the folder that it was found in."""
    seen = set()
    for folder in folders:
        for name in _FILES:
            for file in sorted(folder.glob(f"**/{name}")):
                if file.resolve() not in seen:
                    seen.add(file.resolve())
                    yield file, folder


def _read(connection: duckdb.DuckDBPyConnection, file: Path, below: Path) -> KnownRun:
    names = _ASKED[file.name]
    columns = ", ".join(f"{name}: 'JSON'" for name in names)
    brief = [_BRIEF.get(name, name) for name in names]
    rows = connection.execute(
        f"SELECT {', '.join(brief)} FROM read_json(?, format = 'auto', maximum_object_size = {file.stat().st_size + 1}, "  # noqa: S608 -- names of ours
        f"columns = {{{columns}}})",
        [str(file)],
    ).fetchall()
    if len(rows) != 1:
        raise RunError(f"{file}: {len(rows)} documents, expected one; is this a run's?")
    said: dict[str, Any] = {name: None if text is None else json.loads(text) for name, text in zip(names, rows[0], strict=True)}
    if said["format"] != _FILES[file.name]:
        raise RunError(
            f"{file}: format {said['format']!r}, but this meshproof reads format {_FILES[file.name]}; skipped, use a newer one"
        )
    folder = file.parent
    name = folder.name if folder == below else str(folder.relative_to(below))
    fingerprint = {str(key): str(value) for key, value in said["fingerprint"].items()}
    common = (
        folder, name, "bench" if file.name == "run.json" else "conform", str(said["started"]),
        fingerprint.get("commit", "not known"), str(said.get("mode") or ""), set_up(fingerprint), fingerprint,
        tuple(each["name"] for each in said["dataplanes"]),
    )  # fmt: skip
    if file.name != "run.json":
        return KnownRun(*common, unexpected=sum(not expected for expected in said["results"]))
    targets, voids = said["targets"] or [], said["voids"] or []
    return KnownRun(
        *common, unexpected=sum(outcome in ("fail", "error") for outcome in said["conformance"] or []),
        targets=(targets.count("reached"), len(targets)), void=(voids.count(False), len(voids)),
        loads={(each["name"], load["name"]): _asked(load) for each in said["scenarios"] for load in each["loads"]},
        titles={each["name"]: each["title"] for each in said["scenarios"]},
    )  # fmt: skip


_BRIEF = {
    "targets": "to_json(json_extract(targets, '$[*].outcome'))",
    "voids": "to_json(json_extract(voids, '$[*].resolved'))",
    "conformance": "to_json(json_extract(conformance, '$[*].outcome'))",
    "results": "to_json(json_extract(results, '$[*].expected'))",
}
"""Of long lists only one field of each row leaves the database."""


def _asked(load: dict[str, Any]) -> str:
    """A digest of what a load asks for; what an older run's load lacks is as if it asked for none of it."""
    written = json.dumps([load.get(name) or None for name in _LOAD])
    return hashlib.sha256(written.encode()).hexdigest()[:8]
