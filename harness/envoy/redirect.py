"""istio-init's redirection, as one nftables table for IPv4 and IPv6.

The rules and their order are those of istio-init (``istio-iptables``) in REDIRECT mode; see docs/decisions/0020.
"""

from collections.abc import Mapping

OUTBOUND_PORT = 15001
INBOUND_PORT = 15006
PROXY_ID = 1337
"""User and group of the proxy; what it sends is not redirected again."""

INBOUND_SOURCE = {4: "127.0.0.6", 6: "::6"}
"""The address from which a sidecar reaches its own pod's server; what comes from there is not redirected again."""

TABLE = "inet sidecar"

EXCLUDE_INBOUND = "traffic.sidecar.istio.io/excludeInboundPorts"
EXCLUDE_OUTBOUND = "traffic.sidecar.istio.io/excludeOutboundPorts"
"""Annotations of pods, as Istio has them: ports, with commas between them, whose connections pass the sidecar by."""


def ruleset(annotations: Mapping[str, str]) -> str:
    """The redirection of a pod with these annotations, for ``nft -f -`` inside its namespace. Raises ValueError."""
    inbound, outbound = (_accepted(name, annotations.get(name, "")) for name in (EXCLUDE_INBOUND, EXCLUDE_OUTBOUND))
    return _RULESET.replace("@inbound@", inbound).replace("@outbound@", outbound)


def _accepted(name: str, written: str) -> str:
    """A rule that leaves the written ports alone."""
    ports = [text.strip() for text in written.split(",") if text.strip()]
    for text in ports:
        if not text.isdecimal() or not 1 <= int(text) <= 65535:
            raise ValueError(f"annotation {name}: want ports with commas between them, found {text!r}")
    return f"tcp dport {{ {', '.join(ports)} }} accept" if ports else ""


_RULESET = f"""
table {TABLE} {{
  chain prerouting {{
    type nat hook prerouting priority dstnat; policy accept;
    @inbound@
    meta l4proto tcp redirect to :{INBOUND_PORT}
  }}
  chain output {{
    type nat hook output priority -100; policy accept;
    oifname "lo" ip saddr {INBOUND_SOURCE[4]} accept
    oifname "lo" ip6 saddr {INBOUND_SOURCE[6]} accept
    oifname "lo" ip daddr != 127.0.0.1 meta skuid {PROXY_ID} meta l4proto tcp redirect to :{INBOUND_PORT}
    oifname "lo" ip6 daddr != ::1 meta skuid {PROXY_ID} meta l4proto tcp redirect to :{INBOUND_PORT}
    oifname "lo" meta skuid != {PROXY_ID} accept
    meta skuid {PROXY_ID} accept
    oifname "lo" ip daddr != 127.0.0.1 meta skgid {PROXY_ID} meta l4proto tcp redirect to :{INBOUND_PORT}
    oifname "lo" ip6 daddr != ::1 meta skgid {PROXY_ID} meta l4proto tcp redirect to :{INBOUND_PORT}
    oifname "lo" meta skgid != {PROXY_ID} accept
    meta skgid {PROXY_ID} accept
    ip daddr 127.0.0.1 accept
    ip6 daddr ::1 accept
    @outbound@
    meta l4proto tcp redirect to :{OUTBOUND_PORT}
  }}
}}
"""
REMOVAL = f"delete table {TABLE}\n"
