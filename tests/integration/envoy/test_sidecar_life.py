"""Sidecars come, are replaced, and go."""

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sidecar_clients import PORT, ask, connect

from harness.dataplanes.port import Attachment, DataPlaneError, RestartKind
from harness.lab.port import Lab, LabPod
from harness.model.flow import Verdict
from harness.model.origin import Origin
from harness.model.policy import LabelSelector, NetworkPolicy, Rule

REFS = ("shop/client", "shop/server")


def pids(attachment: Attachment, ref: str) -> tuple[int, ...]:
    [found] = [part.pids for part in attachment.components() if part.place is not None and part.place.pod.ref == ref]  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("how", list(RestartKind))
def test_restarted_sidecar_is_another_process_and_serves(unrestricted: Attachment, pair_lab: Lab, how: RestartKind) -> None:
    before = pids(unrestricted, "shop/server")
    unrestricted.restart("shop/server", how)
    after = pids(unrestricted, "shop/server")
    assert len(after) == 1
    assert after != before
    assert not Path(f"/proc/{before[0]}").exists()
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED


def test_sidecar_outlives_the_thread_that_restarted_it(unrestricted: Attachment, pair_lab: Lab) -> None:
    thread = threading.Thread(target=unrestricted.restart, args=("shop/server", RestartKind.COLD))
    thread.start()
    thread.join()
    [pid] = pids(unrestricted, "shop/server")
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED
    assert pids(unrestricted, "shop/server") == (pid,)


class Load:
    """Requests one after another on a connection that is kept as long as the other side keeps it."""

    def __init__(self, client: LabPod, server: LabPod) -> None:
        self._client, self._server = client, server
        self.answered = 0
        self.errors: list[str] = []
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def _connection(self) -> http.client.HTTPConnection:
        connection = http.client.HTTPConnection(self._server.pod.ip(4), PORT)
        connection.sock = connect(self._client, self._server, PORT)
        return connection

    def _run(self) -> None:
        connection = self._connection()
        while not self._stop.is_set():
            try:
                if connection.sock is None:  # the last answer said `Connection: close`
                    connection = self._connection()
                connection.request("GET", "/name")
                answer = connection.getresponse()
                answer.read()
                if answer.status != http.client.OK:
                    self.errors.append(str(answer.status))
                self.answered += 1
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
                connection = self._connection()
        connection.close()

    @contextmanager
    def running(self) -> Iterator[None]:
        self._thread.start()
        try:
            yield
        finally:
            self._stop.set()
            self._thread.join()


@pytest.mark.parametrize("ref", REFS)
def test_hot_restart_under_load_loses_no_request(unrestricted: Attachment, pair_lab: Lab, server: LabPod, ref: str) -> None:
    load = Load(pair_lab.pod("shop/client"), server)
    with load.running():
        unrestricted.restart(ref, RestartKind.HOT)
    assert load.errors == []
    assert load.answered > 0


@pytest.mark.parametrize("direction", ["Ingress", "Egress"])
def test_change_of_policy_loses_no_request_that_it_allows(
    unrestricted: Attachment, pair_lab: Lab, server: LabPod, direction: str
) -> None:
    at = Origin("policy.yaml", 1)
    everything, app = (Rule(at),), {"Ingress": "server", "Egress": "client"}[direction]
    policy = NetworkPolicy(at, "p", "shop", LabelSelector({"app": app}), (direction,), everything, everything)
    load = Load(pair_lab.pod("shop/client"), server)
    with load.running():
        unrestricted.apply([policy])
    assert load.errors == []
    assert load.answered > 0


def test_killed_sidecar_fails_requests_until_it_is_started_again(
    unrestricted: Attachment, pair_lab: Lab, server: LabPod
) -> None:
    load = Load(pair_lab.pod("shop/client"), server)
    with load.running():
        unrestricted.restart("shop/server", RestartKind.KILL)
    assert load.answered > 0
    assert ask(pair_lab, "shop/client").verdict is Verdict.FORWARDED


def test_unknown_component_is_refused_by_name(attached: Attachment) -> None:
    with pytest.raises(DataPlaneError, match="no pod shop/nobody in topology pair"):
        attached.restart("shop/nobody", RestartKind.COLD)
