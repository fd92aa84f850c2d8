"""Requests and answers seen at an interface, joined by the number in a request's head."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as some

from harness.traffic.sightings import Glimpse, Packet, number_in, sightings
from harness.traffic.sightings import joined as spans

A, B, SERVER = b"\x0a\0\0\x01\x80\0", b"\x0a\0\0\x01\x80\x01", b"\x0a\0\0\x02\x1f\x90"


def request(time: int, sender: bytes, number: int) -> Packet:
    return Packet(time, sender, SERVER, b"GET /1k HTTP/1.1\r\nHost: a\r\nx-request-id: %010d\r\n\r\n" % number)


def answer(time: int, receiver: bytes) -> Packet:
    return Packet(time, SERVER, receiver, b"HTTP/1.1 200 OK\r\n\r\n")


def joined(*packets: Packet) -> dict[int, tuple[int, int]]:
    seen = sightings(packets)
    return {int(n): (int(a), int(b)) for n, a, b in np.column_stack((seen.number, seen.asked, seen.answered))}


def test_answers_go_to_the_connection_that_asked_even_out_of_order() -> None:
    seen = joined(request(10, A, 0), request(20, B, 1), answer(50, B), answer(90, A))
    assert seen == {0: (10, 90), 1: (20, 50)}


def test_an_answer_ends_with_its_last_packet_and_the_next_request_has_its_own() -> None:
    seen = joined(request(10, A, 0), answer(30, A), answer(40, A), request(50, A, 1), answer(70, A))
    assert seen == {0: (10, 40), 1: (50, 70)}


def test_a_packet_that_loopback_shows_twice_counts_once() -> None:
    seen = joined(request(10, A, 0), request(11, A, 0), answer(30, A), answer(31, A))
    assert seen == {0: (10, 31)}


def test_what_is_not_numbered_or_never_answered_is_left_out() -> None:
    bare = Packet(5, B, SERVER, b"GET / HTTP/1.1\r\n\r\n")
    assert joined(bare, answer(6, B), request(10, A, 3)) == {}


def test_an_answer_may_come_from_an_address_that_was_not_asked() -> None:
    proxy = b"\x7f\0\0\x01\x3a\x99"
    asked = request(10, A, 0)
    assert joined(Packet(10, A, proxy, asked.carried), answer(30, A)) == {0: (10, 30)}


@given(some.data())
def test_a_request_lasts_from_its_sight_to_its_answers_last_whatever_others_do(
    data: some.DataObject,
) -> None:
    """The oracle is how the glimpses were made: each connection's requests in order, their answers in some pieces or none."""
    expected: dict[int, tuple[int, int]] = {}
    waiting: list[list[tuple[int, bool]]] = []  # by connection: (number, whether it is the request)
    number = 0
    for pieces in data.draw(some.lists(some.lists(some.integers(0, 3), max_size=5), min_size=1, max_size=4)):
        events: list[tuple[int, bool]] = []
        for count in pieces:
            events += [(number, True), *[(number, False)] * count]
            number += 1
        waiting.append(events)
    glimpses = []
    began: dict[int, int] = {}
    while any(waiting):
        connection = data.draw(some.sampled_from([place for place, events in enumerate(waiting) if events]))
        which, asks = waiting[connection].pop(0)
        time = 10 * len(glimpses)
        glimpses.append(Glimpse(time, connection, which if asks else None))
        if asks:
            began[which] = time
        else:
            expected[which] = (began[which], time)
    seen = spans(glimpses)
    assert {int(n): (int(a), int(b)) for n, a, b in zip(seen.number, seen.asked, seen.answered, strict=True)} == expected
    assert list(seen.number) == sorted(expected)


def test_a_number_is_read_from_a_whole_header_line_only() -> None:
    assert number_in(b"q\r\nx-request-id: 0000000042\r\n\r\n") == 42
    assert number_in(b"q\r\nx-request-id: 000000042\r\n\r\n") is None
    assert number_in(b"y-x-request-id: 0000000042\r\n\r\n") is None
