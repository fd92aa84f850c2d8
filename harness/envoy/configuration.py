"""All that one pod's sidecar is configured with, put together from the topology, the policies and the tuning."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.envoy import clusters, listeners, tls
from harness.envoy.bootstrap import bootstrap
from harness.envoy.certificates import Issued
from harness.envoy.evidence import denial_log
from harness.envoy.protocol import ALPN, ALPN_UPGRADED, Protocol, declared_protocols
from harness.envoy.rbac import Matcher
from harness.envoy.sidecar_requests import (
    Asked,
    inbound_chain,
    inbound_choices,
    outbound_chains,
    outbound_choices,
    service_listeners,
)
from harness.envoy.tuning import Tuning
from harness.model.topology import Pod, Topology


@dataclass(frozen=True, slots=True)
class ConnectionFilters:
    """The filters that judge connections, of what leaves a pod and of what arrives; none where all may pass."""

    egress: tuple[Matcher, ...] = ()
    ingress: tuple[Matcher, ...] = ()

    def refusing_also(self, former: "ConnectionFilters") -> "ConnectionFilters":
        """These, and those of ``former`` that are others: what either refuses is refused."""

        def both(new: tuple[Matcher, ...], old: tuple[Matcher, ...]) -> tuple[Matcher, ...]:
            return (*(each for each in old if each not in new), *new)

        return ConnectionFilters(both(self.egress, former.egress), both(self.ingress, former.ingress))


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


def bootstrap_of(pod: Pod, folder: Path, sidecar: listeners.Sidecar, server: Path) -> dict[str, Any]:
    """The bootstrap of the pod's Envoy, which lives in ``folder`` and asks the xDS server at ``server``."""
    tuning = sidecar.tuning
    described = [clusters.black_hole()]
    for protocol in Protocol:
        encrypted = sidecar.credentials is not None
        described.append(clusters.inbound_cluster(protocol, tuning, encrypted=encrypted))
        described.append(clusters.outbound_cluster(protocol, tuning))
        if sidecar.credentials is not None:
            upgraded = tuning.mtls_http2 and protocol is Protocol.HTTP1
            alpn = ALPN_UPGRADED if upgraded else ALPN[protocol]
            transport = tls.upstream(sidecar.credentials, alpn)
            described.append(clusters.outbound_cluster(protocol, tuning, transport))
    return bootstrap(pod.ref, folder, described, tuning, server)


def listeners_of(
    folder: Path, sidecar: listeners.Sidecar, connections: ConnectionFilters, asked: Asked | None = None
) -> list[dict[str, Any]]:
    """The listeners of a pod: two, and, where requests are judged (``asked``), one for each port of a Service."""
    tuning, credentials = sidecar.tuning, sidecar.credentials
    leaving = arriving = listeners.NOTHING_JUDGED
    if asked is not None:
        encrypted = credentials is not None
        choices = outbound_choices(asked, sidecar.mesh_addresses if encrypted else ())
        leaving = listeners.Judging(tuple(outbound_chains(folder, tuning, encrypted=encrypted)), tuple(choices))
        taken = inbound_choices(asked, sidecar.inbound_ports, encrypted=encrypted)
        arriving = listeners.Judging((inbound_chain(folder, tuning, credentials),), tuple(taken))
    built = [
        listeners.outbound(sidecar, connections.egress, leaving),
        listeners.inbound(sidecar, connections.ingress, arriving),
    ]
    for listener in built:
        listener["access_log"] = [denial_log(listener["name"], folder)]
    return built if asked is None else [*built, *service_listeners(asked, folder, tuning)]
