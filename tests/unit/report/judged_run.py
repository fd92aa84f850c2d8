"""A run with claims and a decision, made of the committed reference run, whose verdicts follow from its figures."""

import json
import shutil
from pathlib import Path
from typing import Any

REFERENCE = Path(__file__).parents[3] / "results" / "reference"
SHIPPED, POSSIBLE = "ebpf", "ebpf-sockmap"
Verdict = dict[str, Any]

# id, claim, and where the run settles it: cell, metric, against, and the bound of the ratio; None where it cannot.
CLAIMS: tuple[tuple[str, str, tuple[str, str, str, float] | None], ...] = (
    (
        "PERF-1",
        "Sidecars add hops and user/kernel switches",
        ("http-cross-node/trace-1000", "context_switches", "sidecar", 0.8),
    ),
    ("PERF-2", "eBPF lowers latency against sidecars", ("http-cross-node/latency-1000", "latency_p50", "sidecar", 0.8)),
    ("PERF-3", "eBPF raises throughput", ("http-cross-node/maximum", "throughput", "sidecar", 1.5)),
    ("PERF-4", "In-kernel JIT code runs close to native", ("http-cross-node/latency-1000", "latency_p50", "plain", 1.05)),
    ("PERF-5", "Packet and request cost does not grow with rules", None),
    ("OPS-1", "Fewer components to run", None),
    ("OPS-2", "CPU and memory overhead per pod falls", ("http-cross-node/cost-1000", "cpu_per_request", "sidecar", 0.5)),
    ("OPS-3", "Upgrades and restarts are simpler", None),
    ("OPS-4", "Transparent: no change to the application", None),
    ("SEC-1", "Identity from labels outlives IP changes", None),
    ("SEC-2", "L7 policy gives finer control", None),
    ("SEC-3", "Kernel enforcement is harder to bypass", None),
    ("SEC-4", "Transparent encryption between nodes (WireGuard, IPsec)", None),
    ("L7-1", "L7 protocols (HTTP, gRPC, Kafka) can be seen from socket hooks", None),
    ("L7-2", "L7 load balancing and header routing without a sidecar", None),
    ("L7-3", "A shared node proxy keeps L7 at lower cost than sidecars", None),
    ("L7-4", "Sidecars are richer: retries, circuit breaking", None),
    ("OBS-1", "In-kernel flow visibility costs little", None),
    ("OBS-2", "Flows show who spoke to whom, verdicts, drops, latency", None),
    ("SVC-1", "eBPF replaces kube-proxy and scales better than iptables", None),
    ("MESH-1", "Several clusters as one mesh", None),
    ("ECO-1", "Sidecar meshes integrate with more third parties", None),
    ("PUB-XLB", "XLB: 1.5 times the throughput of Istio and Cilium", None),
    ("PUB-KMESH", "Kmesh: latency -60 %, overhead -70 %", None),
)
CLASSES = (
    ("l4-only", "L4 only", "Services that need identity and L4 policy, and nothing of requests."),
    ("http-policy", "HTTP with policy", "Method, path and header rules."),
    ("http-routing", "HTTP with routing", "Weights, header routes, rewrites."),
    ("resilience", "Needs retries and circuit breaking", "Calls that must survive failing backends."),
    ("grpc", "gRPC", "Calls and streams with method rules."),
    ("kafka", "Kafka", "Topics and operations by client."),
    ("zero-trust", "Multi-tenant zero trust", "Encrypted between tenants, nothing bypassed."),
    ("memory-poor", "Memory-poor nodes", "Nodes with 2 GiB and dozens of pods."),
)


def judged(document: dict[str, Any]) -> dict[str, Any]:
    """``run.json`` with claims, a decision and what was fixed."""
    planes = {"as_shipped": SHIPPED, "possible": POSSIBLE}
    rows = [_claim(document, *claim, column, plane) for claim in CLAIMS for column, plane in planes.items()]
    verdicts = {(row["id"], row["column"]): row["verdict"] for row in rows}
    classes = [
        {
            "id": name, "title": title, "why": why,
            "columns": {column: _choice(name, plane, verdicts["PERF-2", column]) for column, plane in planes.items()},
        }
        for name, title, why in CLASSES
    ]  # fmt: skip
    decision = {"rule": "docs/decision.md", "digest": "5f" * 32, "classes": classes}
    return document | {"claims": rows, "decision": decision, "fixed": {"scenarios/claims.yaml": "5f" * 32}}


def write_judged(folder: Path) -> dict[str, Any]:
    """The reference run's folder with claims and a decision in its run.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("samples.parquet", "histograms.parquet"):
        shutil.copy(REFERENCE / name, folder / name)
    document = judged(json.loads((REFERENCE / "run.json").read_text()))
    (folder / "run.json").write_text(json.dumps(document))
    return document


def _claim(document: dict[str, Any], name: str, text: str, endpoint: Any, column: str, plane: str) -> Verdict:
    row: Verdict = {"id": name, "claim": text, "source": "the claims of the project's document", "column": column}
    row |= {"subject": f"{plane} of this project, not Cilium", "estimate": None, "low": None, "high": None}
    if endpoint is None:
        verdict = "not comparable" if name.startswith("PUB") else "untested"
        reason = "other machines and versions" if name.startswith("PUB") else "no scenario of this run is about it"
        cases = {"endpoint": "cases of policy", "verdict": verdict, "condition": "",
                 "links": [{"run": "conformance", "what": "case", "where": "policy/np-default-deny"}]}  # fmt: skip
        return row | {
            "endpoint": "",
            "verdict": verdict,
            "reason": reason,
            "evidence": "",
            "endpoints": [cases] if name == "SEC-2" else [],
        }
    cell, metric, against, bound = endpoint
    found = next(
        each
        for each in document["estimates"]
        if (each["cell"], each["metric"], each["dataplane"], each["against"]) == (cell, metric, plane, against)
        and not each["component"]
    )
    above = metric == "throughput"
    low, high = found["low"], found["high"]
    held, missed = (low >= bound, high < bound) if above else (high <= bound, low > bound)
    decides = {
        "endpoint": f"{metric} in {cell} against {against}", "direction": "at least" if above else "at most",
        "threshold": bound, "estimate": found["estimate"], "low": low, "high": high,
        "verdict": "supported" if held else "refuted" if missed else "inconclusive",
        "reason": "the interval is within the bound" if held else "it is beyond the bound" if missed else "it spans the bound",
        "links": [{"run": "", "what": metric, "where": cell}],
    }  # fmt: skip
    said = {name: value for name, value in decides.items() if name != "direction"}
    return row | said | {"evidence": f"{found['blocks']} blocks", "endpoints": [decides | {"condition": "between nodes"}]}


def _choice(name: str, plane: str, latency: str) -> dict[str, Any]:
    told = [f"PERF-2 {latency}: latency against sidecars", "every policy probe answered as expected"]
    if name == "l4-only" and latency == "supported":
        return {
            "answer": "replace",
            "dataplane": plane,
            "evidence_for": told,
            "evidence_against": [],
            "blocking": [],
            "missing": [],
        }
    if name in ("http-policy", "grpc", "kafka"):
        return {
            "answer": "L4 only", "dataplane": plane, "evidence_for": told, "evidence_against": ["L7-3 untested"], "missing": [],
            "blocking": [{"case": "l7/path-exact", "reason": f"unsupported on {plane}"}, {"claim": "L7-2", "reason": "untested"}],  # noqa: E501
        }  # fmt: skip
    if name == "resilience":
        return {
            "answer": "keep", "dataplane": "sidecar", "evidence_for": [], "evidence_against": told, "missing": [],
            "blocking": [{"claim": "L7-4", "reason": "no retries in the kernel"}],
        }  # fmt: skip
    return {
        "answer": "unknown",
        "dataplane": "",
        "evidence_for": [],
        "evidence_against": [],
        "blocking": [],
        "missing": ["SEC-4 untested"],
    }
