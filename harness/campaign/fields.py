"""Which cases are about what a source file does: a fault of nobody's choosing meets those first."""

from collections.abc import Sequence

_CILIUM = ("policy/cnp-*", "policy/ccnp-*", "policy/gen-cnp-*", "policy/gen-ccnp-*")
_KUBERNETES = ("policy/np-*", "policy/gen-np-*")
_PORTS = ("policy/*port*", "policy/*icmp*")

FIELDS: dict[str, Sequence[str]] = {
    "bpf/conntrack.h": ("policy/revoke-*", "packets/segment-*", "policy/np-replies"),
    "bpf/forward.h": ("packets/ttl-*", "packets/checksum-*", "packets/mac-*"),
    "bpf/fragment.h": ("packets/fragment*",),
    "bpf/handle.h": ("packets/vlan-*", "packets/ethertype", "packets/frame*", "packets/spoofed-*"),
    "bpf/icmp.h": ("packets/icmp-*",),
    "bpf/identity.h": ("policy/*cidr*", "policy/*block*", "packets/spoofed-*"),
    "bpf/packet.h": ("packets/*",),
    "bpf/policy.h": ("policy/np-*", "policy/cnp-*"),
    "bpf/verdict.h": ("packets/spoofed-*", "packets/segment-*", "policy/revoke-*", "policy/np-*"),
    "harness/envoy/rbac.py": _KUBERNETES,
    "harness/envoy/selection.py": _KUBERNETES,
    "harness/mesh/cidrclasses.py": ("policy/*block*", "policy/*cidr*"),
    "harness/mesh/cilium.py": _CILIUM,
    "harness/mesh/ciliumports.py": ("policy/cnp-*port*", "policy/cnp-*icmp*", "policy/gen-cnp-*port*", "policy/gen-cnp-*icmp*"),
    "harness/mesh/ciliumselectors.py": _CILIUM,
    "harness/mesh/networkpolicy.py": _KUBERNETES,
    "harness/mesh/portclasses.py": _PORTS,
    "harness/mesh/selectors.py": ("policy/*selector*", "policy/*expression*", "policy/*subject*"),
    "harness/nft/cilium.py": _CILIUM,
    "harness/nft/ciliumports.py": ("policy/cnp-*port*", "policy/cnp-*icmp*", "policy/gen-cnp-*port*", "policy/gen-cnp-*icmp*"),
    "harness/nft/networkpolicy.py": _KUBERNETES,
    "harness/nft/ports.py": _PORTS,
}
"""Patterns of case names, by file."""
