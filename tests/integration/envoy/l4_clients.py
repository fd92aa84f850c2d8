"""Connections through node Envoys for TCP, whose ends are the test's own; and clients that speak TLS as an Envoy does."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cryptography import x509
from sidecar_clients import connect

from harness.envoy.l4_resources import ALPN
from harness.lab.port import Lab, LabPod, Place

LINE = 2626
SECONDS = 5.0


@contextmanager
def listening(pod: LabPod, port: int = LINE) -> Iterator[socket.socket]:
    """Somebody who listens in the pod; whom nobody reaches, he waits for SECONDS."""
    with pod.entered():
        made = socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    made.settimeout(SECONDS)
    with made:
        yield made


@contextmanager
def line(client: LabPod, server: LabPod, family: int = 4, port: int = LINE) -> Iterator[tuple[socket.socket, socket.socket]]:
    """Both ends of a connection over which the client has spoken."""
    with listening(server, port) as listener, connect(client, server, port, family) as near:
        near.sendall(b"hello")
        far, _ = listener.accept()
        far.settimeout(SECONDS)
        with far:
            assert far.recv(5) == b"hello"
            yield near, far


def passes(near: socket.socket, far: socket.socket) -> bool:
    """Whether bytes still come through, both ways."""
    for one, other in ((near, far), (far, near)):
        try:
            one.sendall(b"again")
            if other.recv(5) != b"again":
                return False
        except ConnectionError:
            return False
    return True


def ended(connection: socket.socket) -> bool:
    """Whether the connection is closed or reset, as soon as it is; raises TimeoutError where it goes on."""
    try:
        return connection.recv(1) == b""
    except ConnectionError:
        return True


def reached(listener: socket.socket, seconds: float = 0.3) -> bool:
    """Whether somebody's connection waits."""
    listener.settimeout(seconds)
    try:
        listener.accept()[0].close()
    except TimeoutError:
        return False
    return True


def credentials(lab: Lab, ref: str) -> Path:
    """The folder with the certificate and key that the attached plane gave a pod."""
    namespace, _, name = ref.partition("/")
    for path in lab.folder.glob("envoy-*/*/certificate.pem"):
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        if names.get_values_for_type(x509.UniformResourceIdentifier) == [f"spiffe://cluster.local/ns/{namespace}/sa/{name}"]:
            return path.parent
    raise AssertionError(f"no certificate of {ref} in {lab.folder}")


def speaks_tls(place: Place, source: str, server: LabPod, port: int, folder: Path | None, said: bytes) -> bytes:
    """What is answered to a client of a node that shows the certificate in ``folder``, or none, from whatever address."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols([ALPN])
    if folder is not None:
        context.load_cert_chain(folder / "certificate.pem", folder / "key.pem")
    with place.entered():
        plain = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    plain.settimeout(SECONDS)
    plain.setsockopt(socket.SOL_IP, getattr(socket, "IP_TRANSPARENT", 19), 1)
    plain.bind((source, 0))
    plain.connect((server.pod.ip(4), port))
    try:
        with context.wrap_socket(plain) as speaking:
            speaking.sendall(said)
            return speaking.recv(4096)
    except (ConnectionError, ssl.SSLError):
        return b""
