"""Configuration handed to running Envoys by file, and the proof that they use it."""

import json
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from harness.envoy.bootstrap import LISTENERS_FILE
from harness.envoy.errors import NotAccepted
from harness.envoy.process import PodProxy

POLL_SECONDS = 0.02
VERSION = "listener_manager.lds.version_text"
REJECTED = "listener_manager.lds.update_rejected"
PENDING = (
    "listener_manager.total_listeners_warming",
    "listener_manager.total_filter_chains_draining",
    "listener_manager.total_listeners_draining",
)


def write_json(path: Path, content: object) -> None:
    """Write beside ``path`` and rename: a reader sees the old content or the new one, never half of it."""
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(content))
    partial.replace(path)


def write_listeners(folder: Path, version: str, listeners: Sequence[dict[str, Any]]) -> None:
    """Hand over a set of listeners under a version's name."""
    write_json(folder / LISTENERS_FILE, {"version_info": version, "resources": list(listeners)})


def refusals(proxies: Iterable[PodProxy]) -> dict[PodProxy, int]:
    """How many sets of listeners each Envoy has refused so far."""
    return {proxy: int(proxy.admin.statistics(REJECTED).get(REJECTED, 0)) for proxy in proxies}


def await_version(refused: Mapping[PodProxy, int], version: str, seconds: float) -> None:
    """Return when every Envoy uses ``version`` and no connection of an earlier one is left.

    ``refused`` are the Envoys with what ``refusals`` said before ``version`` was handed over. Raises NotAccepted, naming
    the pod, at once where an Envoy refuses it, else when ``seconds`` have passed.
    """
    deadline = time.monotonic() + seconds
    waiting = dict.fromkeys(refused, "")
    while waiting:
        for proxy in list(waiting):
            missing = _missing(proxy, version, refused[proxy])
            if missing is None:
                del waiting[proxy]
            else:
                waiting[proxy] = missing
        if waiting and time.monotonic() > deadline:
            raise NotAccepted(f"version {version} is not in force after {seconds:g} s: " + "; ".join(waiting.values()))
        if waiting:
            time.sleep(POLL_SECONDS)


def _missing(proxy: PodProxy, version: str, refused: int) -> str | None:
    """What is still missing at ``proxy``, None when nothing is. Raises NotAccepted where Envoy refused ``version``."""
    ref = proxy.pod.pod.ref
    found = proxy.admin.statistics(r"^listener_manager\.")
    if found.get(VERSION) != version:
        if int(found.get(REJECTED, 0)) > refused:
            said = proxy.admin.refusal() or proxy.last_words()
            raise NotAccepted(f"{ref}: Envoy refused version {version} ({proxy.folder / LISTENERS_FILE}): {said}")
        return f"{ref} uses {found.get(VERSION)!r} ({proxy.last_words()})"
    left = [name for name in PENDING if found.get(name)]
    return f"{ref} still has {', '.join(left)}" if left else None
