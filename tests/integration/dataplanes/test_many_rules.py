"""A thousand rules about requests are put in force, and requests that any of them takes are as fast as under one."""

import pytest
from fast_clients import PORT, Connection, counted, settled
from http_ends import ask
from request_policies import http, ingress, rule
from strict_backend import strict_backend

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab, LabPod

MANY = 1000
FORMS = ("/items/{}", "/items/{}/.*", "/v1/users/{}/orders", "/v2/(a|b)/{}")


def path(number: int) -> str:
    return FORMS[number % len(FORMS)].format(number)


@pytest.mark.timeout(600)
def test_a_thousand_rules_are_enforced_in_the_kernel(pair_lab: Lab, client: LabPod) -> None:
    rules = [http(path(number), ("GET", "GET|HEAD", None)[number % 3]) for number in range(MANY - 1)]
    server = pair_lab.pod("shop/neighbour")
    with strict_backend(server, PORT) as backend, EbpfL7().attach(pair_lab) as plane:
        assert isinstance(plane, EbpfL7Attachment)
        plane.apply([ingress("neighbour", rule("client", *rules, http("/public/"), port=PORT))])
        connection = Connection(client, server)
        settled(plane, connection)
        backend.seen.clear()
        before = plane.path_counts()
        allowed = [path(number).replace("(a|b)", "b").replace(".*", "anything") for number in range(0, MANY - 1, 7)]
        denied = [f"{each}{MANY}" for each in ("/items/", "/v1/users/", "/v2/c/")]
        assert {ask(connection, each).status for each in allowed} == {200}
        assert {ask(connection, each).status for each in denied} == {403}
        assert [each.target.decode() for each in backend.seen] == allowed
        found = counted(plane, before)
        assert (found["fast"], found["slow_not_allowed"]) == (len(allowed), len(denied))
        connection.close()
