"""All that one pod's sidecar is configured with, put together from the topology, the policies and the tuning."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from harness.envoy import clusters, listeners, tls
from harness.envoy.bootstrap import bootstrap
from harness.envoy.certificates import Issued
from harness.envoy.evidence import denial_log
from harness.envoy.protocol import ALPN, ALPN_UPGRADED, Protocol, declared_protocols
from harness.envoy.rbac import egress_filters, ingress_filters
from harness.envoy.selection import Selection
from harness.envoy.tuning import Tuning
from harness.model.policy import NetworkPolicy
from harness.model.topology import Pod, Topology


def write_credentials(folder: Path, issued: Issued, authority: bytes) -> tls.Credentials:
    """Put a pod's certificate, its key and the trusted authority into ``folder``."""
    credentials = tls.Credentials(folder / "certificate.pem", folder / "key.pem", folder / "authority.pem")
    credentials.key.touch(mode=0o600)
    credentials.key.write_bytes(issued.key)
    credentials.certificate.write_bytes(issued.certificate)
    credentials.authority.write_bytes(authority)
    return credentials


def sidecar_of(pod: Pod, topology: Topology, tuning: Tuning, credentials: tls.Credentials | None) -> listeners.Sidecar:
    """What the sidecar of ``pod`` depends on. ``credentials`` are those of mTLS, None for plaintext."""
    trusted = tuning.trust_port_names
    return listeners.Sidecar(
        tuning=tuning,
        inbound_ports=declared_protocols([pod]) if trusted else {},
        outbound_ports=declared_protocols(topology.pods) if trusted else {},
        mesh_addresses=tuple(address for other in topology.pods for address in other.ips),
        credentials=credentials,
    )


def bootstrap_of(pod: Pod, folder: Path, sidecar: listeners.Sidecar) -> dict[str, Any]:
    """The bootstrap of the pod's Envoy, which lives in ``folder``."""
    tuning = sidecar.tuning
    described = [clusters.black_hole()]
    for protocol in Protocol:
        described += [clusters.inbound_cluster(protocol, tuning), clusters.outbound_cluster(protocol, tuning)]
        if sidecar.credentials is not None:
            upgraded = tuning.mtls_http2 and protocol is Protocol.HTTP1
            alpn = ALPN_UPGRADED if upgraded else ALPN[protocol]
            transport = tls.upstream(sidecar.credentials, alpn)
            described.append(clusters.outbound_cluster(protocol, tuning, transport))
    return bootstrap(pod.ref, folder, described, tuning)


def listeners_of(
    pod: Pod, folder: Path, sidecar: listeners.Sidecar, policies: Sequence[NetworkPolicy], selection: Selection
) -> list[dict[str, Any]]:
    """The pod's two listeners under ``policies``."""
    ingress = ingress_filters(pod, policies, selection, by_certificate=sidecar.credentials is not None)
    egress = egress_filters(pod, policies, selection)
    built = [listeners.outbound(sidecar, egress), listeners.inbound(sidecar, ingress)]
    for listener in built:
        listener["access_log"] = [denial_log(listener["name"], folder)]
    return built
