"""The inside of a program in a pod that is started once and does what it is told, over and over.

It is spoken to over a Unix socket, which network namespaces do not separate. A line of JSON is a list of things to do; a line
of JSON, the list of what came of each, answers it.
"""

import json
import sys
from collections.abc import Callable
from socketserver import StreamRequestHandler, ThreadingUnixStreamServer
from typing import Any

READY = "ready"


def serve(path: str, do: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    """Listen at ``path`` until killed, and write ``ready`` to the output when it does. ``do`` is called in several threads."""

    class Told(StreamRequestHandler):
        def handle(self) -> None:
            for line in self.rfile:
                self.wfile.write(json.dumps(do(json.loads(line))).encode() + b"\n")

    with ThreadingUnixStreamServer(path, Told) as server:
        server.daemon_threads = True
        sys.stdout.write(f"{READY}\n")
        sys.stdout.flush()
        server.serve_forever()
