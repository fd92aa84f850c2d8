"""The server of every scenario: nginx, configured for the least work per request and the same for every data plane."""

import errno
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from harness.lab.port import LabError, LabPod, Process

READY = 5.0  # seconds until nginx must accept
TINY = 100  # bytes of /100
SMALL = 1024  # bytes of /1k
LARGE = 65536  # bytes of /64k
STATUS = "/status"  # where nginx says how many requests it has read
CONFIGURATION = """\
daemon off;
user root;
worker_processes {workers};
pid {folder}/nginx.pid;
error_log stderr warn;
events {{ worker_connections 8192; }}
http {{
  access_log off;
  default_type application/octet-stream;
  # A benchmark's connection must end when the benchmark says so.
  keepalive_requests 1000000000;
  keepalive_timeout 1h;
  sendfile on;
  tcp_nopush on;
  tcp_nodelay on;
  open_file_cache max=16 inactive=1h;
  open_file_cache_valid 1h;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 0.0.0.0:{port} backlog=4096;
    listen [::]:{port} ipv6only=on backlog=4096;
    root {folder}/www;
    # From memory, in one segment with its head.
    location = /100 {{ return 200 "{tiny}"; }}
    location = /1k {{ return 200 "{small}"; }}
    # The same under prefixes that policies and routes can tell apart.
    location = /shop/1k {{ return 200 "{small}"; }}
    location = /audit/1k {{ return 200 "{small}"; }}
    # Who answers: a probe asks for it.
    location = /name {{ return 200 "{name}"; }}
    # How many requests there were: it tells how they were shared among several.
    location = {status} {{ stub_status; }}
  }}
}}
"""


def configuration(folder: Path, port: int, name: str, workers: int) -> str:
    """nginx.conf for a pod called ``name`` whose files are in ``folder``."""
    return CONFIGURATION.format(
        folder=folder, port=port, name=name, workers=workers, tiny="x" * TINY, small="x" * SMALL, status=STATUS
    )


@contextmanager
def serve(pod: LabPod, port: int, folder: Path, workers: int = 1) -> Iterator[Process]:
    """nginx in ``pod``: ``/100``, ``/1k`` and ``/64k`` are bodies of that size, ``/name`` answers the pod's name.

    Entered when it accepts on each of the pod's addresses. Its files are kept below ``folder``.
    Raises LabError with nginx's own words.
    """
    own = folder / f"nginx-{pod.pod.ref.replace('/', '-')}-{port}"
    (own / "www").mkdir(parents=True, exist_ok=True)
    (own / "www" / "64k").write_bytes(b"x" * LARGE)
    written = own / "nginx.conf"
    written.write_text(configuration(own, port, pod.pod.ref, workers))
    _refuse_taken_port(pod, port)
    process = pod.start(["nginx", "-p", str(own), "-c", str(written)], component="server")
    try:
        _await_accepting(pod, port, process)
        yield process
    finally:
        process.stop()


def _refuse_taken_port(pod: LabPod, port: int) -> None:
    """nginx would try for seconds, and what accepts meanwhile is somebody else."""
    with pod.entered():
        for family, everywhere in ((socket.AF_INET, "0.0.0.0"), (socket.AF_INET6, "::")):  # noqa: S104 - a pod's own
            with socket.socket(family, socket.SOCK_STREAM) as trial:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    trial.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                try:
                    trial.bind((everywhere, port))
                except OSError as error:
                    raise LabError(
                        f"nginx cannot listen on port {port} of pod {pod.pod.ref}: {os.strerror(error.errno or 0)}; "
                        "stop what listens there, or choose another port"
                    ) from error


def _await_accepting(pod: LabPod, port: int, process: Process) -> None:
    deadline = time.monotonic() + READY
    for address in pod.pod.ips:
        while (refused := _refusal(pod, address, port)) is not None:
            status = process.poll()
            if status is not None:
                said = process.log.read_text(errors="replace").strip()
                raise LabError(f"nginx in pod {pod.pod.ref} ended with status {status}: {said}")
            if time.monotonic() > deadline:
                raise LabError(f"nginx in pod {pod.pod.ref} does not accept on {address} port {port}: {refused}")
            time.sleep(0.005)


def _refusal(pod: LabPod, address: str, port: int) -> str | None:
    """None where the address accepts, as seen from the pod itself."""
    with pod.entered(), socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET) as attempt:
        attempt.settimeout(1.0)
        failed = attempt.connect_ex((address, port))
    return errno.errorcode.get(failed, str(failed)) if failed else None
