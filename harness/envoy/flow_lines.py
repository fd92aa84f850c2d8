"""A line of a node's Envoy for each request that it has served, for flow events.

Source: https://www.envoyproxy.io/docs/envoy/v1.40.0/configuration/observability/access_log/usage
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FLOWS_FILE = "flows.log"

PATH_BYTES = 1024
"""Of a path and query; longer ones are cut."""

_LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_DENIED = "rbac_access_denied"
_LINE = {
    "begun": "%START_TIME(%s.%9f)%",
    "latency": "%COMMON_DURATION(DS_RX_BEG:DS_TX_BEG:ns)%",
    "taken": "%COMMON_DURATION(DS_RX_BEG:DS_TX_END:ns)%",
    "client": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
    "client_port": "%DOWNSTREAM_DIRECT_REMOTE_PORT%",
    "asked": "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
    "asked_port": "%DOWNSTREAM_LOCAL_PORT%",
    "backend": "%UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%",
    "backend_port": "%UPSTREAM_REMOTE_PORT%",
    "method": "%REQ(:METHOD)%",
    "path": f"%REQ(:PATH):{PATH_BYTES + 1}%",
    "protocol": "%PROTOCOL%",
    "code": "%RESPONSE_CODE%",
    "details": "%RESPONSE_CODE_DETAILS%",
}


@dataclass(frozen=True, slots=True)
class ServedRequest:
    """A request that came to an Envoy, when it was over.

    ``time`` is in ns of the wall clock; ``latency`` until the answer began and ``taken`` until it ended in ns, None where it
    did not. ``asked`` is the address that the client connected to, ``backend`` where the request went, if it went anywhere.
    """

    time: int
    latency: int | None
    taken: int | None
    client: tuple[str, int]
    asked: tuple[str, int]
    backend: tuple[str, int] | None
    method: str
    path: str
    cut: bool
    protocol: str
    code: int
    details: str

    @property
    def denied(self) -> bool:
        """Whether a policy refused it here."""
        return self.details.startswith(_DENIED)

    @property
    def policy(self) -> str:
        """The name of the policy that refused it, as request_rbac.name() made it."""
        return self.details.partition("[")[2].partition("]")[0]


def flow_log(folder: Path) -> dict[str, Any]:
    """The access log, into FLOWS_FILE of ``folder``."""
    logger = {"@type": _LOGGER, "path": str(folder / FLOWS_FILE), "log_format": {"json_format": _LINE}}
    return {"name": "envoy.access_loggers.file", "typed_config": logger}


def read(line: bytes) -> ServedRequest:
    """A line that Envoy wrote. What it does not know is null there. Raises ValueError for what it cannot have written."""
    said = json.loads(line)
    seconds, _, nanoseconds = said["begun"].partition(".")
    path = said["path"] or ""
    return ServedRequest(
        time=int(seconds) * 10**9 + int(nanoseconds),
        latency=_number(said["latency"]),
        taken=_number(said["taken"]),
        client=(said["client"], int(said["client_port"])),
        asked=(said["asked"], int(said["asked_port"])),
        backend=(said["backend"], int(said["backend_port"])) if said["backend"] else None,
        method=said["method"] or "",
        path=path[:PATH_BYTES],
        cut=len(path) > PATH_BYTES,
        protocol=said["protocol"] or "",
        code=_number(said["code"]) or 0,
        details=said["details"] or "",
    )


def _number(said: object) -> int | None:
    """Envoy writes a time that did not come as ``-``."""
    return said if isinstance(said, int) else int(said) if isinstance(said, str) and said.isdecimal() else None
