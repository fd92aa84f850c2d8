"""Requests and answers seen at an interface, joined by the number in a request's head."""

import numpy as np

from harness.traffic.sightings import Packet, sightings

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
