"""What an application with NET_ADMIN does to its own pod. Nothing here is undone: a tampered lab is thrown away."""

from collections.abc import Sequence

from harness.lab.port import Lab, LabPod
from harness.model.bypass import Tamper

PROXY = "proxy"
"""The component that a sidecar is billed to; the pod of a plane without one has an empty cgroup of that name."""

_CHAIN = "add table inet mine; add chain inet mine output {{ type {type} hook output priority {priority}; }}; "


def commands(tamper: Tamper, pod: LabPod, others: Sequence[str]) -> list[list[str]]:  # noqa: PLR0911 - one for each member
    """The commands, in order, to be run as root inside ``pod``; ``others`` are the addresses of the other pods."""
    match tamper:
        case Tamper.FLUSH_RULES:
            return [["nft", "flush", "ruleset"]]
        case Tamper.NOTRACK:
            return [
                ["nft", _CHAIN.format(type="filter", priority="raw") + "add rule inet mine output meta l4proto tcp notrack"]
            ]
        case Tamper.EARLIER_NAT:
            # the first translation that a connection meets is the one that it gets: to where it goes anyway, all is settled
            settled = [
                f"add rule inet mine output {ip} daddr {address} meta l4proto tcp dnat {ip} to {address}"
                for address in others
                for ip in ("ip6" if ":" in address else "ip",)
            ]
            return [["nft", _CHAIN.format(type="nat", priority="-150") + "; ".join(settled)]]
        case Tamper.REPLACE_ROUTES:
            return [
                ["sh", "-c", f"ip -{family} route show default | while read -r _ rest; do"
                 f" ip -{family} route replace default $rest metric 5; done"]
                for family in (4, 6)
            ]  # fmt: skip
        case Tamper.ADD_ADDRESS:
            return [
                ["ip", "address", "add", "192.0.2.77/32", "dev", "eth0"],
                ["ip", "-6", "address", "add", "2001:db8::77/128", "dev", "eth0", "nodad"],
            ]
        case Tamper.QDISC:
            return [
                ["tc", "qdisc", "replace", "dev", "eth0", "clsact"],
                ["tc", "qdisc", "replace", "dev", "eth0", "root", "pfifo"],
            ]
        case Tamper.KILL_PROXY:
            return [["sh", "-c", 'echo 1 > "$0/cgroup.kill"', str(pod.component_cgroup(PROXY))]]


def tamper_with(lab: Lab, ref: str, tamper: Tamper) -> None:
    """Run it in a pod to its end. Raises LabError where a command fails."""
    pod = lab.pod(ref)
    others = [address for other in lab.pods if other.pod.ref != ref for address in other.pod.ips]
    for argv in commands(tamper, pod, others):
        pod.run(argv, component="client")
