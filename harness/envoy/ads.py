"""An xDS server: aggregated discovery (ADS) over gRPC, state of the world, on a Unix socket.

One snapshot an Envoy, sent whenever it changes; what an Envoy says of it is remembered, so that a change can be awaited.
gRPC is imported when a server is made, so that nobody needs it who has no node proxies.
Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol
"""

import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from threading import Condition, Thread
from typing import Any

from harness.envoy.ads_stream import Stream
from harness.envoy.errors import EnvoyError, NotAccepted
from harness.envoy.resources import TYPES, Snapshot, discovery, request_of

SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"
METHOD = "StreamAggregatedResources"
STREAMS = 256
"""At a time, each with a thread: one an Envoy, and two while it restarts."""


class AdsServer:
    """Serves on the Unix socket at ``path`` until it is closed. Raises EnvoyError where that cannot be."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._grpc = grpc = import_module("grpc")
            discovery()  # that it is missing is told here
        except ImportError as error:
            what = f"{error.name} is not installed in this Python environment; install grpcio and envoy-data-plane"
            raise EnvoyError(what) from None
        self._changed = Condition()
        self._snapshots: dict[str, Snapshot] = {}
        self._streams: list[Stream] = []
        handler = grpc.stream_stream_rpc_method_handler(self._serve, request_of, bytes)
        self._server = grpc.server(ThreadPoolExecutor(STREAMS, "ads"))
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, {METHOD: handler}),))
        try:
            self._server.add_insecure_port(f"unix:{path}")
        except RuntimeError as error:
            raise EnvoyError(f"no xDS server on {path}: {error}") from None
        self._server.start()

    def publish(self, node: str, snapshot: Snapshot) -> None:
        """From now on the Envoy called ``node`` is to have exactly these resources."""
        with self._changed:
            self._snapshots[node] = snapshot
            self._changed.notify_all()

    def forget(self, node: str) -> None:
        """There is no such Envoy any more."""
        with self._changed:
            self._snapshots.pop(node, None)
            self._changed.notify_all()

    def await_accepted(self, node: str, seconds: float, types: Collection[str] = TYPES) -> None:
        """Return when the Envoy called ``node`` has accepted the whole of its snapshot, or what it holds of ``types``.

        Raises NotAccepted: at once, with Envoy's words, where it refuses a part; else when ``seconds`` have passed.
        """
        deadline = time.monotonic() + seconds
        with self._changed:
            while (missing := self._missing(node, types)) is not None:
                if not self._changed.wait(deadline - time.monotonic()) and time.monotonic() >= deadline:
                    raise NotAccepted(f"Envoy of node {node} has not accepted its configuration in {seconds:g} s: {missing}")

    def close(self) -> None:
        """End all streams. Envoys keep what they have."""
        self._server.stop(grace=None).wait()

    def _missing(self, node: str, types: Collection[str]) -> str | None:
        """What is still to be accepted, None for nothing. Raises NotAccepted for a refusal."""
        snapshot = {name: each for name, each in self._snapshots[node].items() if name in types}
        mine = [stream for stream in self._streams if stream.node == node]
        if not mine:
            return "it is not connected"
        for stream in mine:
            refused = stream.refusal(snapshot)
            if refused is not None:
                raise NotAccepted(f"Envoy of node {node} refused its configuration: {refused}")
        waiting = {name for stream in mine for name in stream.waiting(snapshot)}
        return f"no answer about {', '.join(sorted(waiting))}" if waiting else None

    def _serve(self, requests: Iterator[Any], context: Any) -> Iterator[Any]:
        stream = Stream()
        self._open(stream, context.add_callback)
        Thread(target=self._read, args=(stream, requests), name="ads-requests", daemon=True).start()
        while True:
            with self._changed:
                while not stream.closed and not (due := stream.due(self._snapshots.get(stream.node or ""))):
                    self._changed.wait()
                if stream.closed:
                    return
                responses = [stream.response(each) for each in due]
            yield from responses

    def _open(self, stream: Stream, on_end: Callable[[Callable[[], None]], bool]) -> None:
        with self._changed:
            self._streams.append(stream)
        if not on_end(lambda: self._close(stream)):
            self._close(stream)

    def _close(self, stream: Stream) -> None:
        with self._changed:
            stream.closed = True
            if stream in self._streams:
                self._streams.remove(stream)
            self._changed.notify_all()

    def _read(self, stream: Stream, requests: Iterator[Any]) -> None:
        try:
            for request in requests:
                with self._changed:
                    stream.heard(request)
                    self._changed.notify_all()
        except self._grpc.RpcError:  # the Envoy has gone
            self._close(stream)
