"""Mutated packets through the mesh's programs: exit status 1 where a verdict differs, or a drop reason was never hit."""

import argparse
import json
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from pprint import pformat

from scapy.utils import wrpcap

from fuzz.bench import Bench
from fuzz.run import PACKETS, Tally, run_world
from fuzz.worlds import world
from harness.lab.machine import fingerprint
from harness.mesh.drops import reasons

OUT_OF_REACH = {"none", "past_proxy"}
"""No drop, and what only rules about requests drop, which the oracle does not judge (test_bpf_proxy.py asks about it)."""

SEED = 1
_AT_ONCE = 5  # worlds that a process is given
_bench: list[Bench] = []


def _worlds(seed: int, numbers: range) -> Tally:
    logging.getLogger("scapy").setLevel(logging.CRITICAL)  # it warns of each broken option
    if not _bench:
        _bench.append(Bench())
    tally = Tally()
    for number in numbers:
        tally.add(run_world(_bench[0], seed, number))
    return tally


def main() -> int:
    parser = argparse.ArgumentParser(prog="fuzz", description=__doc__)
    parser.add_argument(
        "--packets", type=int, default=1_010_000, help="so many are made; 0.6 %% are not tried, as scapy does not read them"
    )
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--out", type=Path, default=Path("results/fuzz-run"), help="the folder for what came of it")
    asked = parser.parse_args()
    count = -(-asked.packets // PACKETS)
    parts = [range(first, min(first + _AT_ONCE, count)) for first in range(0, count, _AT_ONCE)]
    tally, start = Tally(), time.monotonic()
    with ProcessPoolExecutor(asked.processes) as pool:
        for done, part in enumerate(pool.map(_worlds, [asked.seed] * len(parts), parts), 1):
            tally.add(part)
            if done % 10 == 0 or done == len(parts):
                rate = tally.packets / (time.monotonic() - start)
                hit = len(set(tally.reasons) - {"none"})
                print(
                    f"{tally.packets:,} packets, {rate:,.0f}/s, {hit} drop reasons, {len(tally.differing)} differ", flush=True
                )
    missing = sorted({reason.name for reason in reasons().values()} - OUT_OF_REACH - set(tally.reasons))
    _write(asked.out, asked.seed, tally, time.monotonic() - start, missing)
    for index, sent, expected, found in tally.differing:
        print(f"packet {index} ({sent.kind}, {sent.program}): expected {expected}, found {found}", file=sys.stderr)
    for name in missing:
        print(f"drop reason {name} was never hit", file=sys.stderr)
    return 1 if tally.differing or missing else 0


def _write(out: Path, seed: int, tally: Tally, seconds: float, missing: list[str]) -> None:
    out.mkdir(parents=True, exist_ok=True)
    summary = {
        "seed": seed, "packets": tally.packets, "seconds": round(seconds, 1),
        "packets_per_second": round(tally.packets / seconds),
        "fingerprint": fingerprint(), "differing": len(tally.differing), "never_hit": missing,
        **{name: dict(getattr(tally, name).most_common()) for name in ("reasons", "mutations", "kinds", "not_judged")},
    }  # fmt: skip
    (out / "summary.json").write_text(json.dumps(summary, indent=2) + "\n")
    for index, sent, expected, found in tally.differing:
        wrpcap(str(out / f"{index}.pcap"), [sent.frame], linktype=1)
        of = world(seed, index // PACKETS)
        policies = of.policies[int(index % PACKETS >= PACKETS // 2)]
        text = f"{sent.program}, interface {sent.interface}: expected {expected}, found {found}\n"
        (out / f"{index}.txt").write_text(text + pformat((of.topology, policies)) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
