"""From policies to what is to be dropped at each pod."""

from collections.abc import Sequence

from harness.model.cilium import CiliumPolicy, Policy
from harness.nft import cilium, networkpolicy
from harness.nft.cluster import Cluster
from harness.nft.gates import Gates


def compile_policies(policies: Sequence[Policy], cluster: Cluster) -> Gates:
    """All policies together: of both kinds, in the order given. Raises PolicyError."""
    gates: Gates = {}
    for policy in policies:
        if isinstance(policy, CiliumPolicy):
            cilium.admit(policy, cluster, gates)
        else:
            networkpolicy.admit(policy, cluster, gates)
    return gates
