"""What generator.py makes of the records that a run left."""

import json

import numpy as np
import pytest

from harness.traffic.generator import RECORD, Run, decode
from harness.traffic.port import LoadFailed

SECOND = 1_000_000_000


def record(intended: float, done: float, status: int = 200, lag: float = 0.0) -> tuple[int, ...]:
    sent = intended + lag
    return (*(int(at * SECOND) for at in (intended, sent, done, lag)), status, 0 if done else 3, 0)


RECORDS = np.array(
    [
        record(0.5, 0.6),  # warm-up
        record(0.9, 1.2),  # intended in the warm-up, answered after it
        record(1.1, 1.15),  # answered before the gauge read
        record(1.3, 1.4, lag=0.01),
        record(1.5, 1.7, status=403),
        record(1.8, 2.5),  # answered after the planned end
        record(1.9, 0),  # never answered
    ],
    dtype=RECORD,
)
RUN = Run(RECORDS, first=2, begin=SECOND, end=2 * SECOND, gauged=int(1.18 * SECOND))


def test_record_is_what_the_c_struct_is() -> None:
    assert RECORD.itemsize == 40


def test_requests_are_the_measured_ones() -> None:
    requests = RUN.requests
    assert requests.status.tolist() == [200, 200, 403, 200, 200]
    assert requests.intended[0] == int(1.1 * SECOND)
    assert requests.done[-1] == 0
    assert requests.status.dtype == np.uint16


def test_only_2xx_answers_are_successes() -> None:
    assert RUN.answered == 3
    assert RUN.errors == 2


def test_count_is_what_was_answered_while_the_gauge_read() -> None:
    assert RUN.count == 3


def test_time_runs_until_the_last_answer_when_answers_come_late() -> None:
    assert RUN.seconds == 1.5


def test_time_runs_until_the_planned_end_when_all_is_answered_before() -> None:
    assert Run(RECORDS[:5], 2, SECOND, 2 * SECOND, SECOND).seconds == 1.0


def test_lag_is_that_of_measured_requests_that_were_sent() -> None:
    unsent = np.zeros(1000, RECORD)
    run = Run(np.concatenate([RECORDS, unsent]), 2, SECOND, 2 * SECOND, SECOND)
    assert run.lag_p99 == pytest.approx(0.01, rel=0.1)
    assert Run(unsent, 0, SECOND, 2 * SECOND, SECOND).lag_p99 == 0


SUMMARY = {"records": 7, "first": 2, "failed": 1, "reconnects": 0, "begin": SECOND, "end": 2 * SECOND}


def test_run_is_decoded_from_the_last_line() -> None:
    run = decode(f"begin\nend\n{json.dumps(SUMMARY)}\n", RECORDS, 5)
    assert (run.first, run.begin, run.end, run.gauged) == (2, SECOND, 2 * SECOND, 5)


@pytest.mark.parametrize("said", ["", "begin\nend\n", "begin\nend\n{}", "begin\nend\n[1]", 'begin\nend\n{"records": 7, "fi'])
def test_summary_that_is_not_one_is_shown(said: str) -> None:
    with pytest.raises(LoadFailed, match="openloop printed what cannot be understood: "):
        decode(said, RECORDS, 5)


def test_missing_records_are_noticed() -> None:
    with pytest.raises(LoadFailed, match="wrote 7 records, its output has 6"):
        decode(json.dumps(SUMMARY), RECORDS[:6], 5)
