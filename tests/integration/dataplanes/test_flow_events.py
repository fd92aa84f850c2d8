"""Each request has one flow event, on whichever path: who asked whom for what, what became of it, and which way it took."""

import random
import threading
from collections import Counter
from collections.abc import Iterator

import pytest
from fast_clients import PORT, Connection, counted, settled
from flow_records import SECONDS, Told, brief, marked
from http_ends import ask, connected
from request_policies import POLICY, http, ingress, rule
from strict_backend import StrictBackend, strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

OPEN = [http("/public/.*", method) for method in ("GET", "POST", "HEAD")]
PLANE = EbpfL7().tuned("flows=true")


@pytest.fixture(scope="module", params=["neighbour", "server"])
def app(request: pytest.FixtureRequest) -> str:
    """On the client's node, and on the other."""
    return str(request.param)


@pytest.fixture(scope="module")
def backend(pair_lab: Lab, app: str) -> Iterator[StrictBackend]:
    with strict_backend(pair_lab.pod(f"shop/{app}"), PORT) as served:
        yield served


@pytest.fixture(scope="module")
def attached(pair_lab: Lab, backend: StrictBackend) -> Iterator[EbpfL7Attachment]:
    with PLANE.attach(pair_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        yield attachment


@pytest.fixture
def plane(attached: EbpfL7Attachment, app: str) -> EbpfL7Attachment:
    attached.apply([ingress(app, rule("client", *OPEN, port=PORT))])
    return attached


@pytest.fixture
def server(pair_lab: Lab, app: str) -> LabPod:
    return pair_lab.pod(f"shop/{app}")


@pytest.mark.parametrize("family", [4, 6])
def test_a_mixed_sequence_over_one_connection_has_one_record_each(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, app: str, family: int
) -> None:
    told = Told(plane)
    connection = Connection(client, server, family)
    settled(plane, connection)
    ask(connection, "/public/begin")
    told.until("/public/begin")
    long = "/public/" + "x" * 100
    for target in ("/public/1", "/private/1", long, "/private/2", "/public/2"):
        ask(connection, target)
    connection.request("POST", "/public/posted", body=b"whole")
    assert connection.getresponse().read() == b"/public/posted whole"
    connection.pieces = True
    connection.request("POST", "/public/pieces", body=b"pieces")
    assert connection.getresponse().read() == b"/public/pieces pieces"
    ask(connection, "/public/3", "HEAD")
    ask(connection, "/public/odd", headers={"Te": "trailers"})
    ask(connection, "/public/after", "GET")
    ask(connection, "/public/strange", headers={"Expect": "100-continue"})
    ask(connection, "/public/4")
    ask(connection, "/public/end")
    found = told.until("/public/end")
    fast = {"fast"} if app == "neighbour" else {"past"}
    assert {each["meshproof"]["path"] for each in found} == {*fast, "slow"}
    quick = ("fast", None, "socket") if app == "neighbour" else ("past", "client-socket", "socket")
    denied = ("slow", "slow_not_allowed", None)
    expected = [
        ("GET", "/public/1", 200, "FORWARDED", *quick),
        ("GET", "/private/1", 403, "DROPPED", *denied),
        ("GET", long[:96], 200, "FORWARDED", *quick),
        ("GET", "/private/2", 403, "DROPPED", *denied),
        ("GET", "/public/2", 200, "FORWARDED", *quick),
        ("POST", "/public/posted", 200, "FORWARDED", *quick),
        ("POST", "/public/pieces", 200, "FORWARDED", "slow", "slow_in_pieces", None),
        ("HEAD", "/public/3", 200, "FORWARDED", *quick),
        ("GET", "/public/odd", 200, "FORWARDED", "slow", "slow_odd", None),
        ("GET", "/public/after", 200, "FORWARDED", *quick),
        ("GET", "/public/strange", 200, "FORWARDED", "slow", "slow_strange", None),
        ("GET", "/public/4", 200, "FORWARDED", "slow", "slow_unframed", None),
    ]
    assert [brief(each) for each in found] == expected
    for each in found:
        flow, asked = each["flow"], each["flow"]["l7"]["http"]
        assert flow["source"] == {"namespace": "shop", "pod_name": "client"}
        assert flow["destination"] == {"namespace": "shop", "pod_name": app}
        assert flow["IP"]["source"] == client.pod.ip(family)
        assert flow["l4"]["TCP"] == {"source_port": connection.sock.getsockname()[1], "destination_port": PORT}
        assert flow["node_name"] == server.node.name
        assert flow["traffic_direction"] == "INGRESS"
        assert asked["protocol"] == "HTTP/1.1"
        assert 0 < flow["l7"]["latency_ns"] < SECONDS * 1e9
        assert each["meshproof"].get("url_cut", False) is (asked["url"] == long[:96])
        assert each["meshproof"].get("rule") == (str(POLICY) if flow["verdict"] == "DROPPED" else None)
    assert [each["time"] for each in found] == sorted(each["time"] for each in found)
    connection.close()


def test_requests_in_one_segment_have_a_record_each(
    plane: EbpfL7Attachment, client: LabPod, server: LabPod, backend: StrictBackend, app: str
) -> None:
    told, opening = marked(plane, client, server)
    heads = [b"GET %s HTTP/1.1\r\nHost: b\r\n\r\n" % target for target in (b"/public/1", b"/public/2", b"/private/3")]
    with connected(client, server, port=PORT, seconds=SECONDS) as connection:
        connection.sendall(b"".join(heads))
        answers = b""
        while answers.count(b"HTTP/1.1 ") < 3 or not answers.endswith(b"Access denied\r\n"):
            answers += (piece := connection.recv(65536))
            assert piece, answers
    ask(opening, "/public/end")
    assert [brief(each)[1:6] for each in told.until("/public/end")] == [
        ("/public/1", 200, "FORWARDED", "slow", "slow_strange"),
        ("/public/2", 200, "FORWARDED", "slow", "slow_unframed"),
        ("/private/3", 403, "DROPPED", "slow", "slow_unframed"),
    ]
    opening.close()


def test_a_blocking_client_goes_past_the_proxy(plane: EbpfL7Attachment, client: LabPod, server: LabPod) -> None:
    told = Told(plane)
    connection = Connection(client, server)
    connection.sock.settimeout(None)
    settled(plane, connection)
    ask(connection, "/public/begin")
    told.until("/public/begin")
    ask(connection, "/public/end/1")
    ask(connection, "/public/end")
    (found,) = told.until("/public/end")
    assert brief(found) == ("GET", "/public/end/1", 200, "FORWARDED", "past", "client-socket", "socket")
    connection.close()


def test_as_many_records_as_requests_of_many_clients(plane: EbpfL7Attachment, client: LabPod, server: LabPod) -> None:
    """Random kinds, over connections that are opened and closed; each has one record of its own verdict."""
    told, opening = marked(plane, client, server)
    before = plane.path_counts()
    statuses: dict[str, int] = {}

    def work(seed: int) -> None:
        chance, connection = random.Random(seed), Connection(client, server)
        for number in range(60):
            if chance.random() < 0.1:
                connection.close()
                connection = Connection(client, server)
            target = f"/{chance.choice(['public', 'public', 'private'])}/{seed}/{number}"
            body = b"x" * chance.choice([0, 0, 5, 3000])
            connection.pieces = chance.random() < 0.2
            headers = {"Te": "trailers"} if chance.random() < 0.05 else {}
            connection.request("POST" if body else "GET", target, body=body or None, headers=headers)
            response = connection.getresponse()
            response.read()
            statuses[target] = response.status
            if response.will_close:  # it refused a body that it had not read
                connection = Connection(client, server)
        connection.close()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(6)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    ask(opening, "/public/end")
    found = told.all(len(statuses), "/public/end")
    opening.close()
    assert len(statuses) == 6 * 60
    assert Counter(each["flow"]["l7"]["http"]["url"] for each in found) == Counter(dict.fromkeys(statuses, 1))
    for each in found:
        url, code = each["flow"]["l7"]["http"]["url"], each["flow"]["l7"]["http"]["code"]
        assert (code, each["flow"]["verdict"]) == (statuses[url], "DROPPED" if "private" in url else "FORWARDED")
        assert each["meshproof"]["path"] != "slow" or each["meshproof"]["why"] is not None
    counts = counted(plane, before)
    fast = sum(each["meshproof"]["path"] != "slow" for each in found)
    assert (fast + 1, counts.get("flows_lost", 0)) == (counts["fast"], 0), "of which one is the last"
