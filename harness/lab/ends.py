"""Who asks in a lab: its pods, and hosts outside of the cluster."""

from harness.lab.port import Lab, LabPod
from harness.model.flow import is_pod


def end(lab: Lab, name: str) -> LabPod:
    """The end of a flow of this name: a pod (``namespace/name``), or the host outside with this address. Raises KeyError."""
    if is_pod(name):
        return lab.pod(name)
    for node in lab.nodes:
        for host in node.outside:
            if name in host.pod.ips:
                return host
    raise KeyError(f"lab {lab.name} has no host at {name}")
