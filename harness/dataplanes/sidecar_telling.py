"""How sidecars are told what they do: clusters first, then what is refused, then listeners, each proved to be taken up."""

import json
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from pathlib import Path
from typing import Any

from harness.envoy.ads import AdsServer
from harness.envoy.configuration import ConnectionFilters, listeners_of
from harness.envoy.delivery import await_version, refusals, write_listeners
from harness.envoy.listeners import Sidecar
from harness.envoy.process import PodProxy
from harness.envoy.resources import CLUSTER, ROUTES, Message, message
from harness.envoy.sidecar_requests import Asked, marks, request_clusters, request_routes
from harness.envoy.workers import await_created, created

CONVERGENCE_SECONDS = 30.0
MOST_MARKS = 64
"""Then they begin anew, which drains chains that nobody uses: a second more, now and then."""

Resources = dict[str, dict[str, Any]]
"""By name."""


@dataclass(frozen=True, slots=True)
class View:
    """What one sidecar does; ``asked`` is None where it judges no requests, and never did."""

    sidecar: Sidecar
    connections: ConnectionFilters
    asked: Asked | None = None


@dataclass(slots=True)
class _Heard:
    """What one sidecar has been told of requests."""

    clusters: Resources = field(default_factory=dict)
    routes: Resources = field(default_factory=dict)
    marks: int = 0
    subscribed: bool = False


class SidecarTelling:
    """What sidecars have been told: listeners by file, all else over xDS on the Unix socket at ``path``. Raises EnvoyError."""

    def __init__(self, path: Path, concurrency: int) -> None:
        self.server = AdsServer(path)
        path.chmod(0o666)
        self._concurrency = concurrency
        self._steps = count()
        self._heard: dict[PodProxy, _Heard] = {}

    def tell(
        self, views: Mapping[PodProxy, View], start: Callable[[], None] = lambda: None, new: Collection[PodProxy] = ()
    ) -> None:
        """Return when every sidecar of ``views`` does as these say, on every connection, and no chain is left that did not.

        ``start`` starts those of ``new``, once all is there for them. Raises NotAccepted as soon as one refuses.
        """
        version = str(next(self._steps))
        running = [proxy for proxy in views if proxy not in new]
        asking = [proxy for proxy, view in views.items() if view.asked is not None]
        for proxy, view in views.items():  # requests may still be going to clusters that are wanted no more
            heard = self._heard.setdefault(proxy, _Heard())
            heard.clusters |= _clusters(view)
            self._publish(proxy)
        self._await(running, (CLUSTER,))
        for proxy, view in views.items():
            self._heard[proxy].routes = _routes(view)
            self._publish(proxy)
        self._await([proxy for proxy in running if self._heard[proxy].subscribed], (CLUSTER, ROUTES))
        refused, before = refusals(running), {proxy: created(proxy) for proxy in asking if proxy in running}
        for proxy, view in views.items():
            self._write_listeners(proxy, view, version)
        start()
        await_version({**refused, **dict.fromkeys(new, 0)}, version, CONVERGENCE_SECONDS)
        self._await(asking, (CLUSTER, ROUTES))
        deadline = time.monotonic() + CONVERGENCE_SECONDS
        for proxy, counted in before.items():
            await_created(proxy, counted + self._concurrency, deadline)
        for proxy, view in views.items():
            self._heard[proxy].clusters = _clusters(view)
            self._publish(proxy)
        self._await(views, (CLUSTER,))

    def forget(self, proxy: PodProxy) -> None:
        """It is gone."""
        self._heard.pop(proxy, None)
        self.server.forget(proxy.pod.pod.ref)

    def _publish(self, proxy: PodProxy) -> None:
        heard = self._heard[proxy]
        told = {CLUSTER: heard.clusters, ROUTES: heard.routes}
        snapshot = {kind: tuple(_message(json.dumps(each)) for each in some.values()) for kind, some in told.items()}
        self.server.publish(proxy.pod.pod.ref, snapshot)

    def _await(self, proxies: Iterable[PodProxy], types: Collection[str]) -> None:
        deadline = time.monotonic() + CONVERGENCE_SECONDS
        for proxy in proxies:
            self.server.await_accepted(proxy.pod.pod.ref, deadline - time.monotonic(), types)

    def _write_listeners(self, proxy: PodProxy, view: View, version: str) -> None:
        heard = self._heard[proxy]
        built = listeners_of(proxy.folder, view.sidecar, view.connections, view.asked)
        if view.asked is not None:
            heard.subscribed, heard.marks = True, heard.marks % MOST_MARKS + 1
            built.append(marks(heard.marks))
        write_listeners(proxy.folder, version, built)


@lru_cache(maxsize=1024)
def _message(resource: str) -> Message:
    """A resource, in JSON, as Envoy is sent it. Most are several sidecars' alike, and making one takes milliseconds."""
    return message(json.loads(resource))


def _clusters(view: View) -> Resources:
    if view.asked is None:
        return {}
    described = request_clusters(view.asked, view.sidecar.tuning, view.sidecar.credentials)
    return {each["name"]: each for each in described}


def _routes(view: View) -> Resources:
    if view.asked is None:
        return {}
    return request_routes(view.asked, view.sidecar.tuning, encrypted=view.sidecar.credentials is not None)
