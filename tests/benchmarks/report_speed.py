"""How long ``meshproof report`` takes, and how much memory, for runs of two million samples; against 10 s and 1 GB.

    python tests/benchmarks/report_speed.py [--keep FOLDER]

Three runs are made of committed ones, their figures drawn anew around the measured ones:
- ``requests``: the reference run's two scenarios, five data planes and ten blocks, with loads so long that two million requests
  are recorded. The report reads their histograms, never requests/*.parquet, which are written too.
- ``rows``: the same with two million rows in samples.parquet: ten blocks are 1,500 then.
- ``scenarios``: the largest committed run, l7 (ten scenarios, four data planes), with two million requests.
Time and peak memory are those of the child and of whatever it starts, as the kernel counts them; memory is their sum at most.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from hdrh.histogram import HdrHistogram

RESULTS = Path(__file__).parents[2] / "results"
MILLIONS = 2_000_000
SECONDS, BYTES = 10.0, 10**9


def requests(source: Path, folder: Path) -> int:
    """A copy of a run whose latency loads have two million requests in all; returns how many."""
    folder.mkdir(parents=True)
    for name in ("run.json", "samples.parquet"):
        shutil.copy(source / name, folder / name)
    histograms = pd.read_parquet(source / "histograms.parquet")
    each, random, texts, total = -(-MILLIONS // len(histograms)), np.random.default_rng(1), [], 0
    (folder / "requests").mkdir()
    for index, text in enumerate(histograms["histogram"]):
        measured = HdrHistogram.decode(text)
        counts = np.asarray(measured.counts[: measured.counts_len])
        used = np.flatnonzero(counts)
        values = np.array([measured.get_value_from_index(int(at)) for at in used])
        drawn = random.choice(values, each, p=counts[used] / counts[used].sum()) * random.normal(1, 0.01, each)
        longer = HdrHistogram(1, 60_000_000_000, 3)
        for value, count in zip(*np.unique(drawn.astype(np.int64), return_counts=True), strict=True):
            longer.record_value(int(value), int(count))
        texts.append(longer.encode().decode())
        total += each
        intended = np.arange(each, dtype=np.int64) * 1_000_000
        table = pd.DataFrame({"intended": intended, "sent": intended + 2_000, "done": intended + drawn.astype(np.int64)})
        table.to_parquet(folder / "requests" / f"{index}.parquet", index=False)
    histograms.assign(histogram=texts).to_parquet(folder / "histograms.parquet", index=False)
    return total


def rows(source: Path, folder: Path) -> int:
    """A copy of a run with two million rows of samples; returns how many."""
    folder.mkdir(parents=True)
    for name in ("run.json", "histograms.parquet"):
        shutil.copy(source / name, folder / name)
    samples = pd.read_parquet(source / "samples.parquet")
    copies, random = -(-MILLIONS // len(samples)), np.random.default_rng(1)
    blocks = int(samples["block"].max()) + 1
    many = pd.concat([samples.assign(block=samples["block"] + copy * blocks) for copy in range(copies)], ignore_index=True)
    many["value"] *= random.normal(1, 0.01, len(many))
    many.to_parquet(folder / "samples.parquet", index=False)
    return len(many)


def resident(leader: int) -> int:
    """Proportional memory in bytes of a process and of those that it started."""
    found = 0
    for place in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((place / "stat").read_text().rpartition(")")[2].split()[1])
            if leader in (int(place.name), parent):
                lines = (place / "smaps_rollup").read_text().splitlines()
                found += 1024 * sum(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
        except (OSError, ValueError, IndexError):  # it has just ended
            continue
    return found


def measured(folder: Path) -> tuple[float, float, int]:
    """Seconds, seconds of CPU and peak memory of ``meshproof report FOLDER``."""
    began, before, peak = time.monotonic(), os.times(), 0
    silent = os.open(os.devnull, os.O_WRONLY)
    program = str(Path(sys.executable).with_name("meshproof"))
    child = os.posix_spawn(
        program, [program, "report", str(folder)], os.environ, file_actions=[(os.POSIX_SPAWN_DUP2, silent, 1)]
    )
    while True:
        ended, status, usage = os.wait4(child, os.WNOHANG)
        if ended:
            break
        peak = max(peak, resident(child))
        time.sleep(0.02)
    os.close(silent)
    assert os.waitstatus_to_exitcode(status) == 0, f"meshproof report {folder} failed"
    after = os.times()
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, cpu, max(peak, usage.ru_maxrss * 1024)


def main() -> int:
    """Exit status 0 where the runs of two million samples keep to the limits; the largest is shown beside them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="leave the runs and their reports in this folder")
    folder = parser.parse_args().keep or Path(tempfile.mkdtemp(prefix="report-speed-"))
    kinds = {"requests": (requests, "reference"), "rows": (rows, "reference"), "scenarios": (requests, "l7")}
    kept = True
    print(f"{'run':<12}{'samples':>12}{'figures':>9}{'seconds':>9}{'CPU s':>8}{'peak MB':>9}")
    for name, (build, source) in kinds.items():
        count = build(RESULTS / source, folder / name)
        seconds, cpu, peak = measured(folder / name)
        figures = (folder / name / "report.html").read_text().count("<figure")
        print(f"{name:<12}{count:>12,}{figures:>9}{seconds:>9.1f}{cpu:>8.1f}{peak / 1e6:>9.0f}", flush=True)
        if name != "scenarios":
            kept = kept and seconds < SECONDS and peak < BYTES
    print(json.dumps({"limits": {"seconds": SECONDS, "MB": BYTES / 1e6}, "kept": kept}))
    if not parser.parse_args().keep:
        shutil.rmtree(folder)
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
