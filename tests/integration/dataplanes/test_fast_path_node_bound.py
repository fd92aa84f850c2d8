"""What clients do not read is bounded for all of a node together; beyond it the agent passes answers on, and none is lost."""

import time
from contextlib import ExitStack, closing

from accepting import accepting, listening
from fast_clients import PORT, Connection, counted, settled
from generous_backend import Answers, Generous
from http_ends import ask
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
            each = stack.enter_context(closing(Connection(client, server)))
            clients.append(each)
        settled(plane, clients[0])
        for each in clients:  # its socket joins
            assert ask(each, "/public/short").status == 200
        before, began = plane.path_counts(), len(backend.seen)
        for number, each in enumerate(clients):
            each.sock.sendall(b"GET /public/%d HTTP/1.1\r\nHost: b\r\n\r\n" % number)
            heard(backend, began + number + 1)
        found = counted(plane, before)
        assert found["fast"] + found.get("slow_no_upstream", 0) == len(clients), "relays keep their connections to the backend"
        assert abs(found["relayed_full"] - (found["fast"] - fit)) <= 3
        assert BOUND - 2 * ANSWER < plane.path_held()["owed"] <= BOUND
        for number, each in enumerate(clients):
            assert Answers(each.sock).body() == backend.body(b"/public/%d" % number)
        before = plane.path_counts()
        while plane.path_held()["owed"] > BOUND // 2:
            assert len(clients) < 2 * fit, "it is not seen that all was read"
            each = stack.enter_context(closing(Connection(client, server)))
            clients.append(each)
            assert ask(each, "/public/late").status == 200
        assert counted(plane, before).get("relayed_full", 0) <= 3, "the first that finds no room makes it, of what was read"
        for each in clients:
            each.close()
        forgotten(plane, 0)
