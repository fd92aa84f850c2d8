"""What sidecars are told about requests, handed over by file, and the proof that every worker goes by it."""

import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from harness.envoy.bootstrap import CLUSTERS_FILE
from harness.envoy.delivery import POLL_SECONDS, write_json
from harness.envoy.errors import NotAccepted
from harness.envoy.process import PodProxy
from harness.envoy.sidecar_requests import routes_file

CLUSTERS = "cluster_manager.cds"
CREATED = "listener_manager.listener_create_success"
"""Counts each worker that has taken up a listener, after all that it was told before."""

_ROUTES = re.compile(r"http\..*\.rds\.([^.]*)\.(version_text|update_rejected)")


def write_clusters(proxy: PodProxy, version: str, clusters: Sequence[Mapping[str, Any]]) -> None:
    """Hand over the clusters of requests under a version's name."""
    _write(proxy, CLUSTERS_FILE, version, clusters)


def write_routes(proxy: PodProxy, version: str, configurations: Mapping[str, Mapping[str, Any]]) -> None:
    """Hand over route configurations, by name, under a version's name."""
    for name, each in configurations.items():
        _write(proxy, routes_file(proxy.folder, name).name, version, [each])


def await_clusters(proxies: Iterable[PodProxy], version: str, seconds: float) -> None:
    """Return when every Envoy uses ``version``. Raises NotAccepted as ``await_routes``."""

    def missing(proxy: PodProxy) -> str | None:
        found = proxy.admin.statistics(rf"^{CLUSTERS}\.").get(f"{CLUSTERS}.version_text")
        return None if found == version else f"clusters {found!r}"

    _await(proxies, missing, f"clusters of version {version}", seconds)


def rejections(proxies: Iterable[PodProxy]) -> dict[PodProxy, int]:
    """How many route configurations each Envoy has refused so far; none are counted before it has any."""
    return {proxy: _rejected(_routes(proxy)) for proxy in proxies}


def await_routes(rejected: Mapping[PodProxy, int], version: str, seconds: float) -> None:
    """Return when every Envoy uses ``version`` of all route configurations that it has asked for.

    ``rejected`` are the Envoys with what ``rejections`` said before. Raises NotAccepted, naming the pod: at once, with Envoy's
    words, where one refuses a part; else when ``seconds`` have passed.
    """

    def missing(proxy: PodProxy) -> str | None:
        found = _routes(proxy)
        if _rejected(found) > rejected[proxy]:
            raise NotAccepted(f"{proxy.pod.pod.ref}: Envoy refused routes of version {version}: {_reason(proxy)}")
        late = sorted(name for (name, what), value in found.items() if what == "version_text" and value != version)
        return f"other routes of {', '.join(late)}" if late else None

    _await(rejected, missing, f"routes of version {version}", seconds)


def created(proxies: Iterable[PodProxy]) -> dict[PodProxy, int]:
    """How often workers of each Envoy have taken up a listener."""
    return {proxy: int(proxy.admin.statistics(f"^{CREATED}$").get(CREATED, 0)) for proxy in proxies}


def await_created(before: Mapping[PodProxy, int], concurrency: int, seconds: float) -> None:
    """Return when each of the ``concurrency`` workers of every Envoy has taken up one listener more than ``before``."""

    def missing(proxy: PodProxy) -> str | None:
        return None if created([proxy])[proxy] >= before[proxy] + concurrency else "a worker that has not taken up a change"

    _await(before, missing, "every worker", seconds)


def _write(proxy: PodProxy, name: str, version: str, resources: Sequence[Mapping[str, Any]]) -> None:
    write_json(proxy.folder / name, {"version_info": version, "resources": list(resources)})


def _await(proxies: Iterable[PodProxy], missing: Callable[[PodProxy], str | None], wanted: str, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    for proxy in proxies:
        while (found := missing(proxy)) is not None:
            if time.monotonic() > deadline:
                raise NotAccepted(f"{proxy.pod.pod.ref}: {found} instead of {wanted} after {seconds:g} s")
            time.sleep(POLL_SECONDS)


def _routes(proxy: PodProxy) -> dict[tuple[str, str], int | str]:
    found = proxy.admin.statistics(r"^http\..*\.rds\.")
    named = ((_ROUTES.fullmatch(name), value) for name, value in found.items())
    return {(match[1], match[2]): value for match, value in named if match is not None}


def _rejected(found: Mapping[tuple[str, str], int | str]) -> int:
    return sum(int(value) for (_, what), value in found.items() if what == "update_rejected")


def _reason(proxy: PodProxy) -> str:
    """The line of its log in which Envoy says why."""
    said = [line for line in proxy.last_words().split(" | ") if "rejected" in line]
    return said[-1] if said else proxy.last_words()
