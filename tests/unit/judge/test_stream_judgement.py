"""What is a gap in a stream, and what a leak."""

from dataclasses import replace

import pytest

from harness.judge.streams import observed
from harness.model.churn import StreamExpectation, StreamSeen
from harness.model.flow import Flow, Verdict
from harness.model.origin import Origin

FLOW = Flow("shop/client", "shop/api", 7000, "UDP")
ANSWERED = StreamSeen(sent=1000, arrived=1000)
ONE_LOST = StreamSeen(sent=1000, arrived=999, unanswered=1, first_unanswered=0.25)
SILENT = StreamSeen(sent=1000, arrived=0, unanswered=1000, first_unanswered=0.0, stuck=True)


def expected(verdict: Verdict, protocol: str = "UDP") -> StreamExpectation:
    flow = replace(FLOW, protocol=protocol)
    return StreamExpectation(Origin("scenario.yaml", 9), flow, flow, verdict)


def verdict(wanted: Verdict, found: StreamSeen, protocol: str = "UDP", *, continued: bool = True) -> Verdict:
    return observed(expected(wanted, protocol), found, continued=continued)[0]


def test_one_datagram_without_an_answer_is_a_gap() -> None:
    assert verdict(Verdict.FORWARDED, ANSWERED) is Verdict.FORWARDED
    assert verdict(Verdict.FORWARDED, ONE_LOST) is Verdict.DROPPED
    assert "the first sent after 250.0 ms" in observed(expected(Verdict.FORWARDED), ONE_LOST, continued=True)[1]


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_one_message_of_a_denied_stream_that_arrives_is_a_leak(protocol: str) -> None:
    assert verdict(Verdict.DENIED, SILENT, protocol) is Verdict.DROPPED
    assert verdict(Verdict.DENIED, replace(SILENT, arrived=1), protocol) is Verdict.FORWARDED


@pytest.mark.parametrize("protocol", ["TCP", "UDP"])
def test_an_allowed_stream_that_is_answered_no_more_has_a_gap(protocol: str) -> None:
    assert verdict(Verdict.FORWARDED, replace(ANSWERED, stuck=True), protocol) is Verdict.DROPPED


def test_a_stall_of_tcp_is_a_gap_only_if_the_kernel_says_that_segments_were_lost() -> None:
    slow = replace(ANSWERED, slowest=0.4)
    assert verdict(Verdict.FORWARDED, slow, "TCP") is Verdict.FORWARDED
    assert verdict(Verdict.FORWARDED, replace(ANSWERED, lost=1), "TCP") is Verdict.FORWARDED
    assert verdict(Verdict.FORWARDED, replace(slow, lost=1), "TCP") is Verdict.DROPPED


def test_a_connection_that_ended_is_a_gap_if_it_was_to_go_on() -> None:
    ended = replace(ANSWERED, ended=1)
    assert verdict(Verdict.FORWARDED, ended, "TCP") is Verdict.DROPPED
    assert verdict(Verdict.FORWARDED, ended, "TCP", continued=False) is Verdict.FORWARDED
