"""Envoy's admin interface over its Unix socket. Source: https://www.envoyproxy.io/docs/envoy/v1.37.0/operations/admin"""

import http.client
import json
import os
import socket
from pathlib import Path
from typing import Any

from harness.envoy.errors import EnvoyError

PATH_LIMIT = 107
"""Longest path of a Unix socket, without its terminating NUL (unix(7))."""


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__("admin", timeout=seconds)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class Admin:
    """Asks one Envoy. Every method raises EnvoyError where it does not answer."""

    def __init__(self, path: Path) -> None:
        if len(os.fsencode(path)) > PATH_LIMIT:
            raise EnvoyError(f"the admin socket's path is longer than {PATH_LIMIT} bytes: {path}; use a shorter lab folder")
        self._path = path

    def get(self, target: str, *, method: str = "GET", seconds: float = 5.0) -> tuple[int, str]:
        """Status and body of one request."""
        connection = _UnixConnection(self._path, seconds)
        try:
            connection.request(method, target)
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            raise EnvoyError(f"no answer from Envoy's admin socket {self._path}: {error}") from None
        finally:
            connection.close()

    def ready(self) -> bool:
        """Whether Envoy serves; False also where nobody listens yet."""
        try:
            return self.get("/ready")[0] == http.client.OK
        except EnvoyError:
            return False

    def statistics(self, pattern: str) -> dict[str, int | str]:
        """Counters, gauges and texts whose names match the regular expression ``pattern``."""
        listed: list[dict[str, Any]] = self._json(f"/stats?format=json&filter={pattern}")["stats"]
        return {entry["name"]: entry["value"] for entry in listed if "name" in entry}

    def refusal(self) -> str:
        """Why Envoy refused the latest listeners, in its words; empty where it has none."""
        listed: list[dict[str, Any]] = self._json("/config_dump?resource=dynamic_listeners").get("configs", [])
        return "; ".join(entry["error_state"]["details"] for entry in listed if "error_state" in entry)

    def _json(self, target: str) -> dict[str, Any]:
        status, body = self.get(target)
        if status != http.client.OK:
            raise EnvoyError(f"{self._path}: {target} answered {status}: {body.strip()}")
        answer: dict[str, Any] = json.loads(body)
        return answer
