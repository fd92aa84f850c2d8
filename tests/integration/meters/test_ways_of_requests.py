"""The shipped loads on real data planes: the share that is meant to be slow is, and Services share as their routes say."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace

import pytest

from harness import meters, traffic
from harness.campaign.cell import measure
from harness.campaign.rig import asked_at, put_in_force
from harness.dataplanes import find
from harness.dataplanes.port import CountsPaths
from harness.lab import netns
from harness.manifests.bench import load_bench
from harness.manifests.place import SCENARIOS
from harness.meters.port import Subject
from harness.traffic.nginx import serve

SECONDS = 0.5
Figures = Mapping[tuple[str, str], float]


@contextmanager
def measured(scenario_name: str, plane_name: str, *loads: str) -> Iterator[Mapping[str, Figures]]:
    """Metric and component of each load of a shipped scenario, run for a short time."""
    (scenario,) = load_bench([SCENARIOS / "requests" / f"{scenario_name}.yaml"])
    plane = find(plane_name)
    wanted = ("paths", "backends", "cpu")
    readers = [meter for name, meter in meters.registered().items() if name in wanted]
    with ExitStack() as stack:
        lab = stack.enter_context(netns.up(scenario.topology))
        for pod in lab.pods:
            stack.enter_context(serve(pod, scenario.port, lab.folder))
        attachment = stack.enter_context(plane.attach(lab))
        put_in_force(attachment, scenario, plane)
        found = {}
        for name in loads:
            (point,) = [replace(load, seconds=SECONDS) for load in scenario.loads if load.name == name]
            subject = Subject(
                lab, lab.pod(scenario.client), lab.pod(scenario.server), attachment.components(),
                backends=[lab.pod(ref) for ref in scenario.front.backends] if scenario.front else (),
                path_counts=attachment.path_counts if isinstance(attachment, CountsPaths) else None, port=scenario.port,
            )  # fmt: skip
            asked = asked_at(lab, scenario, plane, point.family)
            outcome = measure(traffic.registered()[point.kind], readers, subject, asked, point, point.rate or 0.0)
            assert outcome.void is None
            found[name] = {(metric.name, metric.component): metric.value for metric in outcome.metrics}
        yield found


def test_the_share_of_a_mix_takes_the_slow_path_and_no_more(root: None) -> None:
    shares = {"closed-0": 0.0, "closed-10": 0.1, "closed-100": 1.0}
    with measured("slow-path-same-node", "ebpf-l7", *shares) as found:
        for load, share in shares.items():
            figures = found[load]
            assert figures["errors", ""] == 0
            assert figures["path_per_request", "slow_not_allowed"] == pytest.approx(share, abs=0.03)
            assert figures["path_per_request", "fast"] == pytest.approx(1 - share, abs=0.03)
            assert figures["path_per_request", "slow_strange"] < 0.01


def test_blocking_clients_are_answered_without_a_spurious_error(root: None) -> None:
    with measured("requests-same-node", "ebpf-l7", "blocking") as found:
        figures = found["blocking"]
        assert figures["errors", ""] == 0
        assert figures["path_per_request", "fast"] > 0.9
        assert figures["throughput", ""] > 0


def test_a_service_is_asked_and_its_backends_have_their_shares_and_their_costs(root: None) -> None:
    # a fifth has the header that leads to b; of the others a quarter goes there
    with measured("routes-same-node", "node-proxy", "closed-0") as found:
        figures = found["closed-0"]
        assert figures["errors", ""] == 0
        assert figures["backend_share", "shop/near-a"] == pytest.approx(0.6, abs=0.05)
        assert figures["backend_share", "shop/near-b"] == pytest.approx(0.4, abs=0.05)
        assert figures["cpu_per_request", "server"] > 0


def test_the_control_asks_one_backend_itself(root: None) -> None:
    with measured("routes-same-node", "plain", "closed-0") as found:
        figures = found["closed-0"]
        assert figures["errors", ""] == 0
        assert (figures["backend_share", "shop/near-a"], figures["backend_share", "shop/near-b"]) == (1.0, 0.0)
