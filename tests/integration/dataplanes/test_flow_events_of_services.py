"""Requests to Services have flow events of the pod that answered, and of the Service that was asked."""

from collections.abc import Iterator
from contextlib import closing

import pytest
from flow_records import Told
from http_ends import Backend
from request_policies import POLICY, http, ingress, rule
from service_clients import ask, connection
from service_world import SERVICES

from harness.dataplanes.ebpf_l7 import EbpfL7, EbpfL7Attachment
from harness.lab.port import Lab
from harness.model.routing import Routing


@pytest.fixture(scope="module")
def plane(routed_lab: Lab, versions: dict[str, Backend]) -> Iterator[EbpfL7Attachment]:
    with EbpfL7().tuned("flows=true").attach(routed_lab) as attachment:
        assert isinstance(attachment, EbpfL7Attachment)
        attachment.apply([ingress("v2", rule("client", http("/public/.*")))], Routing(services=SERVICES))
        yield attachment


def test_a_request_to_a_service_names_service_and_pod_or_the_rule_that_refused_it(
    plane: EbpfL7Attachment, routed_lab: Lab
) -> None:
    told = Told(plane)
    with closing(connection(routed_lab, "shop/client", SERVICES, "shop/v2", 80, 4)) as opened:
        assert [ask(opened, target).status for target in ("/public/1", "/private/2", "/public/3", "/public/end")] == [
            200, 403, 200, 200,
        ]  # fmt: skip
    found = told.until("/public/end")
    assert [(each["flow"]["l7"]["http"]["url"], each["flow"]["verdict"], each["meshproof"]["path"]) for each in found] == [
        ("/public/1", "FORWARDED", "slow"), ("/private/2", "DROPPED", "slow"), ("/public/3", "FORWARDED", "slow"),
    ]  # fmt: skip
    for each in found:
        assert each["flow"]["destination_service"] == {"namespace": "shop", "name": "v2"}
        assert each["flow"]["source"] == {"namespace": "shop", "pod_name": "client"}
        if each["flow"]["verdict"] == "FORWARDED":
            assert each["flow"]["destination"] == {"namespace": "shop", "pod_name": "v2"}
            assert each["flow"]["l4"]["TCP"]["destination_port"] == 8080
        else:
            assert each["meshproof"]["rule"] == str(POLICY)
