"""A run's folder made up for tests: the shape of a real campaign, with figures of the right size and a fixed seed."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from hdrh.histogram import HdrHistogram

ARMS = ("plain", "plain#2", "sidecar", "sidecar-mtls", "ebpf", "ebpf-sockmap")
QUICK_ARMS = ("plain", "sidecar", "ebpf")
TITLES = {
    "plain": "no mesh",
    "sidecar": "Envoy sidecars, plaintext",
    "sidecar-mtls": "Envoy sidecars, mutual TLS",
    "ebpf": "our eBPF mesh",
    "ebpf-sockmap": "our eBPF mesh with same-node sockmap",
}
# How much a plane multiplies plain's: latency, CPU per request, throughput, bulk rate.
FACTORS = {
    "plain": (1.0, 1.0, 1.0, 1.0),
    "sidecar": (3.1, 4.6, 0.19, 0.55),
    "sidecar-mtls": (4.9, 6.2, 0.12, 0.31),
    "ebpf": (1.02, 1.04, 0.97, 0.99),
    "ebpf-sockmap": (1.03, 1.05, 0.97, 0.98),
}
SOCKMAP_SAME_NODE = (0.71, 0.78, 1.4, 1.6)
EQUAL = {("ebpf", "sidecar"), ("ebpf-sockmap", "sidecar"), ("ebpf-sockmap", "ebpf")}
LOADS: tuple[dict[str, Any], ...] = (
    {"name": "latency-1000", "kind": "latency", "rate": 1000.0},
    {"name": "latency-half", "kind": "latency", "rate": None, "half_of_slowest": True, "resolved_rate": 3400.0},
    {"name": "cost-1000", "kind": "cost", "rate": 1000.0},
    {"name": "cost-half", "kind": "cost", "rate": None, "half_of_slowest": True, "resolved_rate": 3400.0},
    {"name": "trace-1000", "kind": "trace", "rate": 1000.0},
    {"name": "maximum", "kind": "maximum"},
    {"name": "connections", "kind": "connections"},
    {"name": "bulk", "kind": "bulk"},
)
VOID_CELL = (3, "http-cross-node", "latency-1000")
VOID_REASON = "the generator's p99 lag was 21 µs, over a tenth of the cell's p50"
PAIRS = [(plane, rival) for place, plane in enumerate(TITLES) for rival in list(TITLES)[:place]]
TOLD = {"latency_p50": "p50", "cpu_per_request": "CPU per request", "bulk": "bulk rate"}
Sample = tuple[str, str, str, float]


def plane_of(arm: str) -> str:
    return arm.split("#", maxsplit=1)[0]


def factors(scenario: str, plane: str) -> tuple[float, float, float, float]:
    return SOCKMAP_SAME_NODE if (scenario, plane) == ("http-same-node", "ebpf-sockmap") else FACTORS[plane]


def cell_samples(scenario: str, load: dict[str, Any], plane: str, random: np.random.Generator) -> list[Sample]:
    """Metric, component, unit, value of one cell."""
    latency, cpu, rate, bulk = (factor * random.normal(1, 0.012) for factor in factors(scenario, plane))
    base = 1.0 if scenario == "http-cross-node" else 0.8
    proxied = plane.startswith("sidecar")
    match load["kind"]:
        case "latency":
            slow = 1.3 if load["name"] == "latency-half" else 1.0
            return [
                (f"latency_{name}", "", "s", 118e-6 * base * slow * latency * up)
                for name, up in (("p50", 1), ("p90", 1.4), ("p99", 2.1), ("p999", 4.4))
            ] + [("lag_p99", "", "s", 6e-6), ("errors", "", "1", 0.0)]
        case "cost":
            parts = {"client": 21e-6 * base * min(cpu, 1.1), "server": 17e-6 * base * min(cpu, 1.1)}
            if proxied:
                left = (cpu - 1.1) * 38e-6 * base
                parts |= {"client-proxy": left * 0.52, "server-proxy": left * 0.48}
            elif plane.startswith("ebpf"):
                parts["agent"] = 0.1e-6
            memory = {"client-proxy": 15.2, "server-proxy": 14.8} if proxied else {"agent": 9.1}
            memory = {} if plane == "plain" else memory
            rows = [("cpu_per_request", part, "s", value) for part, value in parts.items()]
            rows.append(("cpu_per_request", "", "s", sum(parts.values())))
            rows += [("pss", part, "B", value * 2**20) for part, value in memory.items()]
            return [*rows, ("pss", "", "B", sum(memory.values()) * 2**20)]
        case "trace":
            hops = 3.0 if proxied else 1.0
            rows = [
                ("context_switches", "", "1", 2.02 * hops),
                ("syscalls", "", "1", 6.1 * hops * 1.2),
                ("stack_traversals", "", "1", (0.0 if latency < 0.8 else 4.0) * hops),
            ]
            if plane.startswith("ebpf"):
                rows += [("bpf_run_time", "from_pod", "s", 184e-9), ("bpf_run_time", "to_pod", "s", 141e-9)]
                if plane == "ebpf-sockmap":
                    rows.append(("bpf_run_time", "sk_msg", "s", 262e-9))
            return rows
        case "maximum":
            return [("throughput", "", "1/s", 61e3 * rate)]
        case "connections":
            return [("throughput", "", "1/s", 9.2e3 * rate**0.5)]
        case _:
            return [("bulk", "", "bit/s", 21e9 * bulk)]


def histogram(median: float, random: np.random.Generator) -> str:
    """2,000 requests, HDR-encoded in ns."""
    recorder = HdrHistogram(1, 60_000_000_000, 3)
    for value in random.lognormal(np.log(median * 1e9), 0.35, 2000):
        recorder.record_value(int(value))
    return bytes(recorder.encode()).decode()


def frames(arms: tuple[str, ...], scenarios: list[str], blocks: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    random = np.random.default_rng(7)
    samples, histograms = [], []
    for block in range(1, blocks + 1):
        for scenario in scenarios:
            for order, arm in enumerate(random.permutation(arms)):
                for load in LOADS:
                    plane = plane_of(arm)
                    void = VOID_REASON if (block, scenario, load["name"]) == VOID_CELL else None
                    cell = cell_samples(scenario, load, plane, random)
                    for metric, component, unit, value in cell:
                        samples.append(
                            (
                                block,
                                order,
                                scenario,
                                load["name"],
                                load["kind"],
                                arm,
                                plane,
                                metric,
                                component,
                                unit,
                                value,
                                void,
                            )
                        )
                    if load["kind"] == "latency":
                        text = histogram(cell[0][3], random)
                        histograms.append((block, scenario, load["name"], arm, plane, text))
    columns = ["block", "order", "scenario", "load", "kind", "arm", "dataplane", "metric", "component", "unit", "value", "void"]
    return (
        pd.DataFrame(samples, columns=columns),
        pd.DataFrame(histograms, columns=["block", "scenario", "load", "arm", "dataplane", "histogram"]),
    )


def figures(values: np.ndarray) -> dict[str, float | None]:
    """Median, and the range of the blocks, which covers the true median with 1 - 2^(1-n)."""
    if len(values) < 6:
        return {"estimate": float(np.median(values)), "low": None, "high": None, "level": 0.0}
    level = 1 - 2.0 ** (1 - len(values))
    return {"estimate": float(np.median(values)), "low": float(values.min()), "high": float(values.max()), "level": level}


def estimates(samples: pd.DataFrame) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    own = samples[~samples["arm"].str.contains("#")]
    for (scenario, load, metric, component, unit), group in own.groupby(["scenario", "load", "metric", "component", "unit"]):
        wide = group[group["void"].isna()].pivot(index="block", columns="dataplane", values="value")
        void = int(group.loc[group["void"].notna(), "block"].nunique())
        common = {"cell": f"{scenario}/{load}", "scenario": scenario, "metric": metric, "component": component, "void": void}
        for plane in [plane for plane in TITLES if plane in wide.columns]:
            values = wide[plane].dropna().to_numpy()
            rows.append(common | {"dataplane": plane, "unit": unit, "against": None, "blocks": len(values)} | figures(values))
        for plane, rival in PAIRS:
            if component or metric in ("lag_p99", "errors") or not {plane, rival} <= set(wide.columns):
                continue
            ratios = (wide[plane] / wide[rival]).replace([np.inf, -np.inf], np.nan).dropna().to_numpy()
            if len(ratios):
                equal = {"equal_features": None if rival == "plain" else (plane, rival) in EQUAL}
                own_row = {"dataplane": plane, "unit": "ratio", "against": rival, "blocks": len(ratios)}
                rows.append(common | own_row | figures(ratios) | equal)
    return rows


def supports(plane: str) -> dict[str, Any]:
    def yes(denies: str | None = None) -> dict[str, Any]:
        return {"answer": "yes", "reason": None, "denies": denies}

    def no(reason: str) -> dict[str, Any]:
        return {"answer": "no", "reason": reason, "denies": None}

    if plane == "plain":
        return {"policy-tcp": no("nothing enforces policy"), "ipv6": yes(), "encryption": no("nothing encrypts")}
    if plane.startswith("sidecar"):
        encrypted = yes() if plane == "sidecar-mtls" else no("this arm is the plaintext one")
        return {"policy-tcp": yes("rejected"), "ipv6": yes(), "encryption": encrypted}
    unknown = {"answer": "unknown", "reason": "probing for WireGuard failed: EPERM", "denies": None}
    return {"policy-tcp": yes("dropped"), "ipv6": yes(), "encryption": unknown}


def conformance(scenario: str, planes: list[str]) -> list[dict[str, Any]]:
    flows = [
        ("shop/checkout", "shop/catalogue", "forwarded"),
        ("evil/stranger", "shop/catalogue", "denied"),
        ("shop/checkout", "shop/ledger", "denied"),
    ]
    rows = []
    for plane in planes:
        for source, target, expected in flows:
            for family in (4, 6):
                rows.append(probe(scenario, plane, source, target, expected, family))
    return rows


def probe(scenario: str, plane: str, source: str, target: str, expected: str, family: int) -> dict[str, Any]:
    denied = "rejected" if plane.startswith("sidecar") else "dropped"
    observed = "forwarded" if expected == "forwarded" or plane == "plain" else denied
    outcome, reason = "pass", None
    if plane == "plain" and expected == "denied":
        outcome, reason = "unsupported", "nothing enforces policy"
    if (scenario, plane, source, family) == ("http-same-node", "sidecar", "evil/stranger", 6):
        outcome, observed, reason = "fail", "forwarded", "expected denied, the server answered"
    said = {"dropped": "POLICY_DENIED", "rejected": "RBAC: 403 rbac_access_denied_matched_policy[none]"}.get(observed)
    return {
        "scenario": scenario,
        "dataplane": plane,
        "block": 0,
        "flow": f"{source} -> {target}:8080/TCP (IPv{family})",
        "from": source,
        "to": target,
        "port": 8080,
        "family": family,
        "expected": expected,
        "observed": observed,
        "outcome": outcome,
        "evidence": said,
        "reason": reason,
        "rule": "policies/shop.yaml:7" if said else "",
    }


TARGETS = (
    ("T1", "http-cross-node", "latency-1000", "latency_p50", "ebpf", "plain", "at most", 1.05),
    ("T2", "http-cross-node", "cost-1000", "cpu_per_request", "ebpf", "plain", "at most", 1.08),
    ("T3", "http-same-node", "latency-1000", "latency_p50", "ebpf-sockmap", "plain", "at most", 0.85),
    ("T4", "http-same-node", "bulk", "bulk", "ebpf-sockmap", "plain", "at least", 1.4),
    ("T5", "http-cross-node", "cost-1000", "cpu_per_request", "ebpf", "sidecar", "at most", 1 / 3),
    ("T6", "http-cross-node", "latency-1000", "latency_p50", "ebpf", "sidecar-mtls", "at most", 1 / 6),
)


def targets(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    judged = []
    for name, scenario, load, metric, plane, rival, direction, bound in TARGETS:
        wanted = (f"{scenario}/{load}", metric, plane, rival, "")
        found = [r for r in rows if (r["cell"], r["metric"], r["dataplane"], r["against"], r["component"]) == wanted]
        row = found[0] if found else {"estimate": None, "low": None, "high": None, "level": None}
        outcome = "void"
        if row["low"] is not None:
            reached = row["high"] <= bound if direction == "at most" else row["low"] >= bound
            missed = row["low"] > bound if direction == "at most" else row["high"] < bound
            outcome = "reached" if reached else "not reached" if missed else "inconclusive"
        text = f"{plane} against {rival}: {TOLD[metric]} {direction} {bound:.2f} times"
        judged.append(
            {"id": name, "text": text, "scenario": scenario, "load": load, "metric": metric, "dataplane": plane}
            | {"against": rival, "direction": direction, "bound": bound, "floor": 0.021, "outcome": outcome}
            | {key: row[key] for key in ("estimate", "low", "high", "level")}
            | {"equal": None if rival == "plain" else (plane, rival) in EQUAL}
        )
    return judged


def scenario_row(name: str) -> dict[str, Any]:
    same = name == "http-same-node"
    return {
        "name": name,
        "title": "HTTP on one node" if same else "HTTP between two nodes",
        "why": "Most calls between services stay small; here both ends share a node."
        if same
        else "Most calls between services are small; here they cross the wire.",
        "topology": "shop",
        "client": "shop/checkout",
        "server": "shop/catalogue",
        "same_node": same,
        "policies": ["policies/catalogue-ingress.yaml", "policies/ledger-closed.yaml"],
        "loads": [
            {"seconds": 4.0, "warmup": 1.0, "connections": 16, "arrivals": "poisson", "family": 4} | load for load in LOADS
        ],
    }


def document(samples: pd.DataFrame, arms: tuple[str, ...], scenarios: list[str], blocks: int, mode: str) -> dict[str, Any]:
    """``run.json`` as a campaign writes it."""
    planes = list(dict.fromkeys(plane_of(arm) for arm in arms))
    rows = estimates(samples)
    level = rows[0]["level"]
    cell = f"block {VOID_CELL[0]} {VOID_CELL[1]}/{VOID_CELL[2]} on sidecar-mtls"
    return {
        "format": 1,
        "title": "Can an eBPF mesh replace sidecars for small HTTP calls?",
        "started": "2026-01-05T09:30:00+00:00",
        "seconds": 71.0 if mode == "quick" else 842.0,
        "mode": mode,
        "indicative": mode == "quick",
        "command": f"meshproof bench{' --quick' if mode == 'quick' else ''} --out results/example",
        "fingerprint": {
            "machine": "example",
            "cpu": "AMD EPYC, 2 cores",
            "memory": "8 GiB",
            "kernel": "6.18.0",
            "accel": "none",
            "envoy": "1.40.0",
            "nginx": "1.22.1",
            "cpu placement": "client and client-proxy on core 0, server and server-proxy on core 1",
            "code": "0123456789abcdef0123456789abcdef01234567",
        },
        "dataplanes": [
            {
                "name": plane,
                "title": TITLES[plane],
                "arms": [arm for arm in arms if plane_of(arm) == plane],
                "supports": supports(plane),
            }
            for plane in planes
        ],
        "scenarios": [scenario_row(name) for name in scenarios],
        "estimates": rows,
        "noise_floor": [
            {"scenario": s, "load": load, "metric": metric, "floor": floor, "level": level}
            for s in scenarios
            for load, metric, floor in (
                ("latency-1000", "latency_p50", 0.021),
                ("latency-half", "latency_p50", 0.034),
                ("latency-1000", "latency_p99", 0.093),
                ("latency-half", "latency_p99", 0.121),
                ("cost-1000", "cpu_per_request", 0.026),
                ("cost-half", "cpu_per_request", 0.031),
                ("maximum", "throughput", 0.018),
                ("connections", "throughput", 0.041),
                ("bulk", "bulk", 0.05),
            )
        ]
        if "plain#2" in arms
        else [],
        "voids": [{"cell": cell, "reason": VOID_REASON, "reran": True, "resolved": False}] if blocks >= VOID_CELL[0] else [],
        "unmeasured": [{"metric": "bpf-memory", "reason": "the kernel lacks BPF statistics"}],
        "conformance": [row for name in scenarios for row in conformance(name, planes)],
        "targets": [] if mode == "quick" else targets(rows),
        "claims": [],
        "decision": None,
    }


def write_example(folder: Path, mode: str = "default") -> dict[str, Any]:
    """Write a run's folder; returns the document of its run.json."""
    quick = mode == "quick"
    arms = QUICK_ARMS if quick else ARMS
    scenarios = ["http-cross-node"] if quick else ["http-cross-node", "http-same-node"]
    blocks = 1 if quick else 7
    folder.mkdir(parents=True, exist_ok=True)
    samples, histograms = frames(arms, scenarios, blocks)
    samples.to_parquet(folder / "samples.parquet")
    histograms.to_parquet(folder / "histograms.parquet")
    written = document(samples, arms, scenarios, blocks, mode)
    (folder / "run.json").write_text(json.dumps(written, indent=1))
    return written
