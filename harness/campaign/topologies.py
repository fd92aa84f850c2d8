"""What the cluster of a case is in each of its steps: who is there, and with which addresses."""

from collections.abc import Iterator
from dataclasses import replace

from harness.lab.addressing import unused
from harness.model.case import Case
from harness.model.churn import PodCreated, PodDeleted
from harness.model.topology import Topology


def topologies(case: Case, topology: Topology) -> Iterator[Topology]:
    """The topology of each step. ``topology`` is the case's, with the addresses that a lab gives to its pods.

    A created pod gets the addresses of the one that it is to have them of, else some that nobody ever had in this case: with
    those of a pod that is gone it would be taken for it.
    """
    had = {pod.ref: pod.ips for pod in topology.pods}
    ever = {ip for ips in had.values() for ip in ips}
    for step in case.steps:
        before = dict(had)
        for change in step.pods:
            match change:
                case PodDeleted(ref=ref):
                    topology = replace(topology, pods=tuple(pod for pod in topology.pods if pod.ref != ref))
                case PodCreated(pod=pod, addresses_of=former):
                    ips = unused(topology, pod.node, ever) if former is None else before[former]
                    had[pod.ref] = ips
                    ever.update(ips)
                    topology = replace(topology, pods=(*topology.pods, replace(pod, ips=ips)))
        yield topology
