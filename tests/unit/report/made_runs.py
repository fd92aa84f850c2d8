"""Runs' folders made up for comparisons: lognormal block noise of a known size around stated figures."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

FINGERPRINT = {"commit": "a" * 40, "kernel": "6.12", "cores": "2", "seed": "1"}
PLANES = ("plain", "sidecar", "ebpf")
LOADS = ({"name": "latency-1000", "kind": "latency", "rate": 1000.0}, {"name": "cost-1000", "kind": "cost", "rate": 1000.0})
BASE = {("latency-1000", "latency_p50"): 1e-4, ("cost-1000", "cpu_per_request"): 4e-5, ("cost-1000", "pss"): 2e7}
UNITS = {"latency_p50": "s", "cpu_per_request": "s", "pss": "B"}
TIMES = {"plain": 1.0, "sidecar": 4.0, "ebpf": 1.1}

Factors = Mapping[tuple[str, str], float]
"""By metric and plane: how many times its usual figure it is in this run."""


def samples(seed: int, blocks: int, noise: float, factors: Factors, mood: float) -> pd.DataFrame:
    random = np.random.default_rng(seed)
    rows = []
    for block in range(1, blocks + 1):
        for (load, metric), base in BASE.items():
            kind = load.partition("-")[0]
            for arm in ("plain", "plain#2", *PLANES[1:]):
                plane = arm.partition("#")[0]
                value = base * TIMES[plane] * factors.get((metric, plane), 1.0) * mood * random.lognormal(0, noise)
                if metric == "pss":  # memory has no mood, and the control has none of it
                    value = 0.0 if plane == "plain" else value / mood
                rows.append((block, 0, 1, "s", load, kind, arm, plane, metric, "", UNITS[metric], value, None))
    columns = [
        "block", "order", "attempt", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value",
        "void",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def make_run(
    folder: Path, *, seed: int = 1, blocks: int = 10, noise: float = 0.02, factors: Factors | None = None, mood: float = 1.0,
    floor: float = 0.03, **changes: Any,
) -> Path:  # fmt: skip
    """A folder with ``run.json`` and ``samples.parquet``; ``mood`` slows all planes alike; ``changes`` are of run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    samples(seed, blocks, noise, factors or {}, mood).to_parquet(folder / "samples.parquet", index=False)
    indicative = blocks < 6
    document: dict[str, Any] = {
        "format": 1, "title": "t", "started": f"2026-01-{seed % 28 + 1:02}T00:00:00+00:00", "seconds": 1.0,
        "mode": "quick" if indicative else "default", "indicative": indicative, "command": "meshproof bench",
        "fingerprint": FINGERPRINT,
        "dataplanes": [{"name": plane, "title": plane, "arms": [plane]} for plane in PLANES],
        "scenarios": [
            {"name": "s", "title": "S", "why": "w", "topology": "pair", "client": "a/c", "server": "a/s", "same_node": False,
             "loads": list(LOADS)},
        ],
        "estimates": [],
        "noise_floor": [] if indicative else [
            {"scenario": "s", "load": load, "metric": metric, "floor": None if metric == "pss" else floor, "level": 0.97}
            for load, metric in BASE
        ],
    }  # fmt: skip
    (folder / "run.json").write_text(json.dumps({**document, **changes}))
    return folder


def probe(outcome: str, plane: str = "ebpf", flow: str = "a/c -> a/s:8080/TCP (IPv4)") -> dict[str, Any]:
    return {
        "scenario": "s", "dataplane": plane, "block": 0, "flow": flow, "from": "a/c", "to": "a/s", "port": 8080, "family": 4,
        "expected": "dropped", "observed": "forwarded" if outcome == "fail" else "dropped", "outcome": outcome,
    }  # fmt: skip


def target(outcome: str, bound: float = 1.2) -> dict[str, Any]:
    return {
        "id": "t1", "text": "At most so much.", "scenario": "s", "load": "cost-1000", "metric": "cpu_per_request",
        "dataplane": "ebpf", "against": "plain", "direction": "at most", "bound": bound, "floor": 0.01, "outcome": outcome,
        "estimate": 1.1, "low": 1.05, "high": 1.15, "level": 0.97,
    }  # fmt: skip
