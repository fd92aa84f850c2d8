"""What becomes of requests whose backend fails or is late, by the timeouts and retries of their rule."""

import pytest

from harness.model.route import Retry, Timeouts
from harness.model.routed import Told
from harness.oracle.routing.trying import Tries, tries

AGAIN = Retry((503,), 2)


@pytest.mark.parametrize(
    ("told", "timeouts", "retry", "found"),
    [
        (Told(), None, None, Tries(200, 1)),
        (Told(503), None, None, Tries(503, 1)),
        (Told(503), None, AGAIN, Tries(503, 3)),
        (Told(503, first=1), None, AGAIN, Tries(200, 2)),
        (Told(503, first=3), None, AGAIN, Tries(503, 3)),
        (Told(500), None, AGAIN, Tries(500, 1)),
        (Told(503), None, Retry((503,)), Tries(503, 2)),
        (Told(503), None, Retry((503,), 0), Tries(503, 1)),
        (Told(503), None, Retry(None, 2), Tries(503, 1)),
        (Told(delay=2.0), Timeouts(request="1s500ms"), None, Tries(504, 1)),
        (Told(delay=1.0), Timeouts(request="1s500ms"), None, Tries(200, 1)),
        (Told(delay=9.0), Timeouts(request="0s", backend_request="0ms"), None, Tries(200, 1)),
        (Told(delay=2.0), Timeouts(backend_request="1s"), None, Tries(504, 1)),
        (Told(503, delay=0.7), Timeouts(request="1s"), AGAIN, Tries(504, 2)),
        (Told(503, delay=0.7), Timeouts(request="1m", backend_request="1s"), AGAIN, Tries(503, 3)),
    ],
)
def test_a_request_ends_as_its_rule_says(told: Told, timeouts: Timeouts | None, retry: Retry | None, found: Tries) -> None:
    assert tries(told, timeouts, retry) == found


def test_whether_a_try_that_took_too_long_is_done_again_is_open() -> None:
    found = tries(Told(delay=2.0), Timeouts(backend_request="1s"), AGAIN)
    assert (found.status, found.count) == (504, 1)
    assert found.unsaid
