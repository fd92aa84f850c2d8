"""How a request stands in an Envoy's record of it."""

import pytest

from harness.dataplanes.request_law import written_down
from harness.model.request import GRPCRequest, HTTPRequest, KafkaRequest


@pytest.mark.parametrize(
    ("sent", "once", "twice"),
    [("/a", "/a", "/a"), ("/a//b/../c", "/a/c", "/a/c"), ("/a/%2e%2e;/b", "/a/..;/b", "/b")],
)
def test_a_path_is_as_the_envoys_before_left_it(sent: str, once: str, twice: str) -> None:
    request = HTTPRequest("PUT", sent)
    assert [written_down(request, normalised_times=times) for times in range(3)] == [
        ("PUT", sent),
        ("PUT", once),
        ("PUT", twice),
    ]


def test_a_call_is_a_post_and_what_is_no_http_is_none() -> None:
    assert written_down(GRPCRequest("a.B/C"), normalised_times=1) == ("POST", "/a.B/C")
    assert written_down(None, normalised_times=1) is None
    assert written_down(KafkaRequest("produce", 3), normalised_times=1) is None
