"""What clients do not read is bounded for all of a node together; beyond it the agent passes answers on, and none is lost."""

import time
from contextlib import ExitStack

from accepting import accepting, listening
from fast_clients import PORT, Connection, counted, settled
from generous_backend import Answers, Generous
from request_policies import http, ingress, rule

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

BOUND = 256 << 20
ANSWER = 250_000
BEYOND = 40
POLICY = [ingress("neighbour", rule("client", http("/public/.*"), port=PORT))]


def heard(backend: Generous, requests: int) -> None:
    deadline = time.monotonic() + 5
    while len(backend.seen) < requests:
        assert time.monotonic() < deadline, "a request did not reach the backend"
        time.sleep(0.0005)


def forgotten(plane: EbpfL7Attachment, most: int) -> None:
    """Wait until no more than ``most`` bytes are owed."""
    deadline = time.monotonic() + 5
    while (owed := plane.path_held()["owed"]) > most:
        assert time.monotonic() < deadline, f"{owed} bytes are owed to clients that have read all, or have gone"
        time.sleep(0.05)


def test_a_node_holds_256_mib_of_what_is_not_read_and_relays_the_rest(pair_lab: Lab, client: LabPod) -> None:
    server = pair_lab.pod("shop/neighbour")
    with ExitStack() as stack:
        plane = stack.enter_context(EbpfL7().attach(pair_lab))
        assert isinstance(plane, EbpfL7Attachment)
        plane.apply(POLICY)
        backend = stack.enter_context(accepting(Generous(listening(server, PORT), more=ANSWER)))
        fit = BOUND // (ANSWER + 100)
        clients = []
        for _ in range(fit + BEYOND):
            each = Connection(client, server)
            stack.callback(each.close)
            settled(plane, each)
            clients.append(each)
        before, began = plane.path_counts(), len(backend.seen)
        for number, each in enumerate(clients):
            each.sock.sendall(b"GET /public/%d HTTP/1.1\r\nHost: b\r\n\r\n" % number)
            heard(backend, began + number + 1)
        found = counted(plane, before)
        assert found["fast"] == len(clients)
        assert found.get("relayed", 0) == 0
        assert abs(found["relayed_full"] - BEYOND) <= 5
        assert BOUND - 2 * ANSWER < plane.path_held()["owed"] <= BOUND
        for number, each in enumerate(clients):
            assert Answers(each.sock).body() == backend.body(b"/public/%d" % number)
        late = Connection(client, server)
        stack.callback(late.close)
        settled(plane, late)
        forgotten(plane, 2 * ANSWER)
        before = plane.path_counts()
        for each in (late, *clients):
            settled(plane, each)
        assert "relayed_full" not in counted(plane, before), "there is room again"
        for each in (late, *clients):
            each.close()
        forgotten(plane, 0)
