"""Envoy's own word for a denial: a line that the listener writes for each connection which RBAC refused, and for no other."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DENIALS_FILE = "denials.log"
DENIED = 'connection.termination_details.startsWith("rbac_access_denied")'
"""In the Common Expression Language; Envoy's network RBAC leaves no metadata of its verdict, only this."""

FILTER = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"


@dataclass(frozen=True, slots=True)
class Denial:
    """One refused connection. ``details`` is Envoy's reason; ``peer`` the SPIFFE identity, where TLS gave one."""

    direction: str
    source: str
    destination: str
    port: int
    details: str
    peer: str | None


def denial_log(direction: str, folder: Path) -> dict[str, Any]:
    """The listener's access log, which takes only what RBAC denied; an allowed connection costs one expression."""
    line = {
        "direction": direction,
        "source": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "destination": "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
        "port": "%DOWNSTREAM_LOCAL_PORT%",
        "details": "%CONNECTION_TERMINATION_DETAILS%",
        "peer": "%DOWNSTREAM_PEER_URI_SAN%",
    }
    return {
        "name": "envoy.access_loggers.file",
        "filter": {
            "extension_filter": {
                "name": "envoy.access_loggers.extension_filters.cel",
                "typed_config": {"@type": FILTER, "expression": DENIED},
            }
        },
        "typed_config": {
            "@type": LOGGER,
            "path": str(folder / DENIALS_FILE),
            "log_format": {"json_format": line},
        },
    }


class Denials:
    """Reads what the Envoy of one folder refused."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DENIALS_FILE
        self._forgotten = 0

    def forget(self) -> None:
        """Look no more at what was refused until now."""
        self._forgotten = self._path.stat().st_size if self._path.exists() else 0

    def written(self) -> int:
        """How many refusals there are in the file, of all times."""
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def latest(self, source: str, destination: str, port: int) -> Denial | None:
        """The last refusal of a connection from the address ``source`` to ``destination``:``port``."""
        if not self._path.exists():
            return None
        with self._path.open() as log:
            log.seek(self._forgotten)
            lines = log.readlines()
        for text in reversed(lines):
            line = json.loads(text)
            if (line["source"], line["destination"], line["port"]) == (source, destination, port):
                return Denial(**line)
        return None
