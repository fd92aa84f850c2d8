"""What might be made of policies by who misreads one value: by what follows, a flow shows whether it asks about that value.

This is a list of plausible errors, field by field. It leans on no data plane's code: the oracle judges each misreading.
"""

from collections.abc import Iterator, Sequence

from harness.model.cilium import CiliumPolicy, Policy
from harness.model.topology import Topology
from harness.oracle.misreadings import cilium, kubernetes, together
from harness.oracle.misreadings.change import Misreading, spliced

__all__ = ["Misreading", "misreadings"]


def misreadings(policies: Sequence[Policy], topology: Topology) -> Iterator[Misreading[tuple[Policy, ...]]]:
    """Every misreading of one value in ``policies``, each as the policies that it amounts to."""
    policies = tuple(policies)
    for place, policy in enumerate(policies):
        put = spliced(policies, place)
        for change in _of_one(policy, topology):
            yield Misreading(change.field, change.value, change.taken, put((change.instead,)))
    yield from together.policies(policies, topology)


def _of_one(policy: Policy, topology: Topology) -> Iterator[Misreading[Policy]]:
    if isinstance(policy, CiliumPolicy):
        yield from cilium.policy(policy, topology)
    else:
        yield from kubernetes.policy(policy, topology)
