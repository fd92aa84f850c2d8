"""TLS between sidecars: mutual, TLS 1.3, identities as SPIFFE URIs in the certificates."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from harness.envoy.certificates import TRUST_DOMAIN

SOCKETS = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files in PEM: a workload's certificate and key, and the authority that it trusts."""

    certificate: Path
    key: Path
    authority: Path


def host_prefix(address: str) -> dict[str, Any]:
    """One address as Envoy's CidrRange."""
    return {"address_prefix": address, "prefix_len": ip_address(address).max_prefixlen}


def _common(credentials: Credentials, *alpn: str) -> dict[str, Any]:
    return {
        **({"alpn_protocols": list(alpn)} if alpn else {}),
        "tls_params": {"tls_minimum_protocol_version": "TLSv1_3", "tls_maximum_protocol_version": "TLSv1_3"},
        "tls_certificates": [
            {
                "certificate_chain": {"filename": str(credentials.certificate)},
                "private_key": {"filename": str(credentials.key)},
            }
        ],
        "validation_context": {
            "trusted_ca": {"filename": str(credentials.authority)},
            "match_typed_subject_alt_names": [
                {"san_type": "URI", "matcher": {"prefix": f"spiffe://{TRUST_DOMAIN}/"}},
            ],
        },
    }


def downstream(credentials: Credentials, *alpn: str) -> dict[str, Any]:
    """The server's side: asks for a certificate of the mesh. Without ``alpn`` it agrees on no protocol."""
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{SOCKETS}.DownstreamTlsContext",
            "common_tls_context": _common(credentials, *alpn),
            "require_client_certificate": True,
        },
    }


def upstream(credentials: Credentials, alpn: str) -> dict[str, Any]:
    """The client's side: shows its certificate, takes any server of the mesh."""
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {"@type": f"{SOCKETS}.UpstreamTlsContext", "common_tls_context": _common(credentials, alpn)},
    }
