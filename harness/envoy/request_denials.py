"""How a refused request looks to its client, and how Envoy says that it refused it."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.envoy.filters import access_log
from harness.envoy.request_headers import MISMATCHES

BODY = "Access denied\r\n"
"""What Cilium's proxy answers with the status 403."""

DENIALS_FILE, MISMATCHES_FILE = "denials.log", "mismatches.log"

REFUSED = "response.code_details.startsWith('rbac_access_denied')"
"""In the Common Expression Language."""

_EXPRESSION = "type.googleapis.com/envoy.extensions.access_loggers.filters.cel.v3.ExpressionFilter"
_LOGGER = "type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog"
_NAME_BEFORE, _NAME_AFTER = "[", "]"


@dataclass(frozen=True, slots=True)
class RefusedRequest:
    """One request that RBAC refused; ``policy`` is the name of the policy that did."""

    source: str
    destination: str
    port: int
    method: str
    path: str
    details: str

    @property
    def policy(self) -> str:
        """As request_rbac.name() made it."""
        return self.details.partition(_NAME_BEFORE)[2].partition(_NAME_AFTER)[0]

    @property
    def flow(self) -> tuple[str, str, int]:
        """Its client, its backend's address and port. Of a request to a Service, these are in the name of the policy."""
        backend, at, port = self.policy.partition("-")[2].partition("-")[0].partition("@")
        return (self.source, backend, int(port)) if at else (self.source, self.destination, self.port)

    @property
    def direction(self) -> str:
        """Whose rules refused it: egress or ingress."""
        return self.policy.split("-")[-2] if self.policy.count("-") else ""


def denial_body() -> dict[str, Any]:
    """The answer to a refused request, as ``LocalReplyConfig``; Envoy's other answers stay its own."""
    return {"mappers": [{"filter": _refused(), "body_format_override": {"text_format_source": {"inline_string": BODY}}}]}


def access_logs(folder: Path, *, everything: bool) -> list[dict[str, Any]]:
    """A line in DENIALS_FILE for each refused request, and one in MISMATCHES_FILE for each of which a rule says LOG.

    With ``everything`` also one for each request on standard output.
    """
    line = {
        "source": "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%",
        "destination": "%DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT%",
        "port": "%DOWNSTREAM_LOCAL_PORT%",
        "method": "%REQ(:METHOD)%",
        "path": "%REQ(:PATH)%",
    }
    logs = [
        _file(folder / DENIALS_FILE, _refused(), {**line, "details": "%RESPONSE_CODE_DETAILS%"}),
        _file(folder / MISMATCHES_FILE, _mismatched(), {**line, "wanted": f"%DYNAMIC_METADATA({MISMATCHES})%"}),
    ]
    return [*logs, *access_log()] if everything else logs


def _file(path: Path, chosen: dict[str, Any], line: dict[str, str]) -> dict[str, Any]:
    return {
        "name": "envoy.access_loggers.file",
        "filter": chosen,
        "typed_config": {"@type": _LOGGER, "path": str(path), "log_format": {"json_format": line}},
    }


def _mismatched() -> dict[str, Any]:
    noted = {"filter": MISMATCHES, "path": [{"key": "any"}], "value": {"bool_match": True}}
    return {"metadata_filter": {"matcher": noted, "match_if_key_not_found": False}}


def _refused() -> dict[str, Any]:
    return {
        "extension_filter": {
            "name": "envoy.access_loggers.extension_filters.cel",
            "typed_config": {"@type": _EXPRESSION, "expression": REFUSED},
        }
    }


class RefusedRequests:
    """Reads what one Envoy refused."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / DENIALS_FILE
        self._forgotten = 0

    def forget(self) -> None:
        """Look no more at what was refused until now."""
        self._forgotten = self._path.stat().st_size if self._path.exists() else 0

    def written(self) -> int:
        """How many refusals there are in the file, of all times."""
        return self._path.read_bytes().count(b"\n") if self._path.exists() else 0

    def latest(self, source: str, destination: str, port: int, asked: tuple[str, str] | None) -> RefusedRequest | None:
        """The last refusal of a request from ``source`` to ``destination``:``port``: of any, or of that method and path."""
        if not self._path.exists():
            return None
        with self._path.open() as log:
            log.seek(self._forgotten)
            lines = log.readlines()
        for text in reversed(lines):
            found = RefusedRequest(**json.loads(text))
            if found.flow == (source, destination, port) and asked in (None, (found.method, found.path)):
                return found
        return None
