"""What packets are judged under: a topology over two nodes, and two sets of policies, the second put in force half-way."""

from dataclasses import dataclass, replace

from hypothesis import HealthCheck, Phase, given, seed, settings
from policy_worlds import worlds

from harness.mesh.grants import Cluster, PolicyError
from harness.mesh.identity import Identity, identities
from harness.mesh.policy import compile_policies
from harness.model.cilium import Policy
from harness.model.topology import Topology

NODE, OTHER, THIRD = "n1", "n2", "n3"
WIRES = {OTHER: 21, THIRD: 22}
"""The interface by which each other node is reached."""
HOST = {4: "10.0.255.254", 6: "fd00::fffe"}
_NODES = (NODE, NODE, OTHER, NODE, THIRD)


@dataclass(frozen=True)
class World:
    """``policies`` are in force one set after the other. Pods of the node have interfaces of their own."""

    number: int
    topology: Topology
    policies: tuple[tuple[Policy, ...], tuple[Policy, ...]]
    identities: dict[str, Identity]
    interfaces: dict[str, int]  # of the node's own pods

    @property
    def cluster(self) -> Cluster:
        return Cluster.of(self.topology, self.identities)


def world(run_seed: int, number: int) -> World:
    """The same two arguments make the same world, with the pinned version of hypothesis."""
    drawn = []

    @seed(run_seed * 1_000_003 + number)
    @settings(max_examples=3, phases=(Phase.generate,), database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(worlds(0).filter(lambda each: any(pod.ips for pod in each.topology.pods)))  # else nobody sends anything
    def draw(each: object) -> None:
        drawn.append(each)

    draw()
    topology = drawn[-1].topology
    pods = tuple(replace(pod, node=_NODES[place]) for place, pod in enumerate(topology.pods))
    topology = replace(topology, nodes=(NODE, OTHER, THIRD), pods=pods)
    numbered = identities(topology)
    cluster = Cluster.of(topology, numbered)
    sets = tuple(tuple(each for each in one.policies if _enforced(each, cluster)) for one in drawn[-2:])
    local = [pod.ref for pod in pods if pod.node == NODE]
    return World(number, topology, sets, numbered, {ref: 11 + place for place, ref in enumerate(local)})


def _enforced(policy: Policy, cluster: Cluster) -> bool:
    """The mesh refuses what it cannot enforce (rules about HTTP); what it refused is in force nowhere."""
    try:
        compile_policies((policy,), cluster)
    except PolicyError:
        return False
    return True
