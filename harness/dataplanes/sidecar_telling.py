"""How sidecars are told what they do: clusters first, then what is refused, then listeners, each proved to be taken up."""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any

from harness.envoy.configuration import ConnectionFilters, listeners_of
from harness.envoy.delivery import await_version, refusals, write_listeners
from harness.envoy.listeners import Sidecar
from harness.envoy.process import PodProxy
from harness.envoy.request_delivery import (
    await_clusters,
    await_created,
    await_routes,
    created,
    rejections,
    write_clusters,
    write_routes,
)
from harness.envoy.sidecar_requests import Asked, marks, request_clusters, request_routes

CONVERGENCE_SECONDS = 30.0
MOST_MARKS = 64
"""Then they begin anew, which drains some chains that nobody uses: a second more, now and then."""


@dataclass(frozen=True, slots=True)
class View:
    """What one sidecar does; ``asked`` is None where it judges no requests, and never did."""

    sidecar: Sidecar
    connections: ConnectionFilters
    asked: Asked | None = None


class SidecarTelling:
    """What sidecars have been told. Each has ``concurrency`` workers."""

    def __init__(self, concurrency: int) -> None:
        self._concurrency = concurrency
        self._steps = count()
        self._clusters: dict[PodProxy, dict[str, Any]] = {}
        self._marks: dict[PodProxy, int] = {}

    def tell(
        self, views: Mapping[PodProxy, View], start: Callable[[], None] = lambda: None, new: Collection[PodProxy] = ()
    ) -> None:
        """Return when every sidecar of ``views`` does as these say, on every connection, and no chain is left that did not.

        ``start`` starts those of ``new``, once their files are there. Raises NotAccepted as soon as one refuses.
        """
        version = str(next(self._steps))
        deadline = time.monotonic() + CONVERGENCE_SECONDS
        running = [proxy for proxy in views if proxy not in new]
        asking = [proxy for proxy in running if views[proxy].asked is not None]
        wanted = {proxy: _clusters(view) for proxy, view in views.items()}
        # requests may still be going to those that are wanted no more
        self._write_clusters({proxy: {**self._clusters.get(proxy, {}), **wanted[proxy]} for proxy in views}, running, version)
        rejected = rejections(asking)
        for proxy, view in views.items():
            if view.asked is not None:
                encrypted = view.sidecar.credentials is not None
                write_routes(proxy, version, request_routes(view.asked, view.sidecar.tuning, encrypted=encrypted))
        await_routes(rejected, version, deadline - time.monotonic())
        refused, before = refusals(running), created(asking)
        for proxy, view in views.items():
            self._write_listeners(proxy, view, version)
        start()
        await_version({**refused, **dict.fromkeys(new, 0)}, version, CONVERGENCE_SECONDS)
        await_routes({**dict.fromkeys(new, 0), **rejected}, version, CONVERGENCE_SECONDS)  # some are asked for only now
        await_created(before, self._concurrency, CONVERGENCE_SECONDS)
        self._write_clusters(wanted, running, f"{version}-settled")

    def forget(self, proxy: PodProxy) -> None:
        """It is gone."""
        self._clusters.pop(proxy, None)
        self._marks.pop(proxy, None)

    def _write_clusters(self, wanted: Mapping[PodProxy, dict[str, Any]], running: Iterable[PodProxy], version: str) -> None:
        changed = [proxy for proxy, clusters in wanted.items() if self._clusters.get(proxy) != clusters]
        for proxy in changed:
            write_clusters(proxy, version, list(wanted[proxy].values()))
            self._clusters[proxy] = wanted[proxy]
        await_clusters([proxy for proxy in running if proxy in changed], version, CONVERGENCE_SECONDS)

    def _write_listeners(self, proxy: PodProxy, view: View, version: str) -> None:
        built = listeners_of(proxy.folder, view.sidecar, view.connections, view.asked)
        if view.asked is not None:
            self._marks[proxy] = self._marks.get(proxy, 0) % MOST_MARKS + 1
            built.append(marks(self._marks[proxy]))
        write_listeners(proxy.folder, version, built)


def _clusters(view: View) -> dict[str, Any]:
    """By name."""
    if view.asked is None:
        return {}
    described = request_clusters(view.asked, view.sidecar.tuning, view.sidecar.credentials)
    return {each["name"]: each for each in described}
