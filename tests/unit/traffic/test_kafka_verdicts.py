"""What came of a request of Kafka, as a verdict."""

import struct

import pytest
from kafka_answers import answer
from kio.schema.index import api_key_map, schema_name_map

from harness.model.exchange import Sends
from harness.model.flow import Flow, Verdict
from harness.model.kafka import API_KEYS, AUTHORIZATION_ERRORS, VERSIONS, KafkaAsk
from harness.traffic.kafka.answers import Unreadable, faithful, said
from harness.traffic.kafka.asking import judge
from harness.traffic.kafka.record import Asked
from harness.traffic.kafka.requests import encoded

API = "shop/api"
NONCE = 0x1234567
PRODUCE = KafkaAsk("produce", 9, ("orders",), "web")
ASKED = [
    KafkaAsk(api, version, ("orders",) if api not in ("apiversions", "findcoordinator") else ())
    for api, versions in {
        "produce": range(3, 10), "fetch": range(4, 13), "metadata": range(13), "offsets": range(1, 8),
        "offsetfetch": range(1, 9), "createtopics": range(2, 8), "deletetopics": range(1, 6), "findcoordinator": range(5),
        "apiversions": range(4),
    }.items()
    for version in versions
]  # fmt: skip


def flow(asked: KafkaAsk = PRODUCE) -> Flow:
    return Flow("shop/client", API, 9092, request=asked)


def read(asked: KafkaAsk = PRODUCE, said: bytes = b"", by: str = API) -> tuple[str, Asked]:
    return by, Asked(encoded(asked, NONCE), 1, said)


def seen(end: str, got: bytes, by: tuple[str, Asked] | None, asked: KafkaAsk = PRODUCE) -> tuple[Verdict, str, int]:
    observed = judge(flow(asked), NONCE, end, got, by, 0.1)
    assert observed.nonce == NONCE
    return observed.verdict, observed.detail, observed.status


@pytest.mark.parametrize("asked", ASKED, ids=str)
def test_every_version_of_a_refusal_is_read(asked: KafkaAsk) -> None:
    refusal = answer(asked, NONCE, 29)
    assert seen("answered", refusal, None, asked) == (Verdict.REJECTED, "TOPIC_AUTHORIZATION_FAILED", 29)
    for error in (0, 3):
        assert seen("answered", answer(asked, NONCE, error), None, asked)[0] is Verdict.REDIRECTED
    with pytest.raises(Unreadable):
        said(asked, refusal + b"\0")
    with pytest.raises(Unreadable):
        said(asked, refusal[:-1])


@pytest.mark.parametrize("error", AUTHORIZATION_ERRORS)
def test_any_error_about_authorisation_refuses(error: int) -> None:
    verdict, detail, status = seen("answered", answer(PRODUCE, NONCE, error), None)
    assert (verdict, detail, status) == (Verdict.REJECTED, AUTHORIZATION_ERRORS[error], error)


OK = answer(PRODUCE, NONCE, 0)
OTHER = answer(PRODUCE, NONCE + 1, 29)


@pytest.mark.parametrize(
    ("end", "got", "by", "verdict", "detail"),
    [
        ("answered", OK, read(said=OK), Verdict.FORWARDED, "NONE from shop/api"),
        ("closed", b"", read(), Verdict.FORWARDED, "shop/api closed the connection"),
        ("answered", OK, read(said=OK, by="shop/cart"), Verdict.REDIRECTED, "the broker of shop/cart read it"),
        ("answered", OK, read(KafkaAsk("produce", 9, ("bills",), "web"), OK), Verdict.REDIRECTED, "not what was sent"),
        (
            "answered",
            OK,
            (API, Asked(encoded(PRODUCE, NONCE), 1, OK, times=2)),
            Verdict.REDIRECTED,
            "its broker read it 2 times",
        ),
        ("answered", OK, read(said=OK + b"\0"), Verdict.REJECTED, "though its broker said"),
        ("closed", b"", read(said=OK), Verdict.REJECTED, "closed, though its broker said"),
        ("closed", OK[:9], read(said=OK), Verdict.REJECTED, "though its broker said"),
        ("silent", b"", read(), Verdict.DROPPED, "silence, though its broker read it"),
        ("answered", OK, None, Verdict.REDIRECTED, "NONE; no broker read it"),
        ("answered", OTHER, None, Verdict.REDIRECTED, "for another request; no broker read it"),
        ("answered", struct.pack(">ii", 5, NONCE) + b"\0", None, Verdict.REDIRECTED, "cannot be read"),
        ("closed", b"", None, Verdict.REJECTED, "connection closed without an answer"),
        ("ECONNRESET", b"", None, Verdict.REJECTED, "connection closed without an answer"),
        ("closed", b"HTTP/1.1 400 ", None, Verdict.REJECTED, "b'HTTP/1.1 400 '"),
        ("ECONNREFUSED", b"", None, Verdict.REJECTED, "ECONNREFUSED"),
        ("silent", b"", None, Verdict.DROPPED, "silence"),
    ],
)
def test_who_read_it_and_what_came_back_decide(
    end: str, got: bytes, by: tuple[str, Asked] | None, verdict: Verdict, detail: str
) -> None:
    observed = seen(end, got, by)
    assert observed[0] is verdict
    assert detail in observed[1]
    assert observed[2] == 0


def test_one_topic_that_is_not_refused_is_no_refusal() -> None:
    asked = KafkaAsk("metadata", 0, ("orders", "bills"))
    topics = b"".join(struct.pack(">hh1si", error, 1, name, 0) for error, name in ((29, b"a"), (0, b"b")))
    body = struct.pack(">iii", NONCE, 0, 2) + topics
    got = struct.pack(">i", len(body)) + body
    assert said(asked, got).errors == (29, 0)
    verdict, detail, _ = seen("answered", got, None, asked)
    assert verdict is Verdict.REDIRECTED
    assert detail == "TOPIC_AUTHORIZATION_FAILED, NONE; no broker read it"


@pytest.mark.parametrize(("version", "verdict"), [(99, Verdict.REJECTED), (3, Verdict.REDIRECTED)])
def test_who_does_not_know_a_version_of_apiversions_says_so_as_brokers_do(version: int, verdict: Verdict) -> None:
    got = answer(KafkaAsk("apiversions"), NONCE, 35)
    assert seen("answered", got, None, KafkaAsk("apiversions", version))[0] is verdict


@pytest.mark.parametrize(
    ("asked", "verdict"),
    [
        (KafkaAsk("metadata", 1), Verdict.REJECTED),
        (KafkaAsk("metadata", 1, ("orders",)), Verdict.REDIRECTED),  # of what was asked for nothing is said
    ],
)
def test_who_asks_for_all_topics_may_be_shown_none(asked: KafkaAsk, verdict: Verdict) -> None:
    body = struct.pack(">iiii", NONCE, 0, -1, 0)
    assert seen("answered", struct.pack(">i", len(body)) + body, None, asked)[:2] == (
        verdict, "no errors" + ("" if verdict is Verdict.REJECTED else "; no broker read it")
    )  # fmt: skip


def _versions(*offered: tuple[int, int, int], throttled: int = 0, nonce: int = NONCE) -> bytes:
    body = struct.pack(">ihi", nonce, 0, len(offered)) + b"".join(struct.pack(">hhh", *each) for each in offered)
    body += struct.pack(">i", throttled)
    return struct.pack(">i", len(body)) + body


@pytest.mark.parametrize(
    ("got", "same"),
    [
        (_versions((0, 3, 9), (1, 4, 17)), True),
        (_versions((0, 3, 8), (1, 4, 12)), True),
        (_versions((0, 3, 9)), True),
        (_versions((0, 3, 10), (1, 4, 17)), False),
        (_versions((0, 2, 9)), False),
        (_versions((0, 3, 9), (2, 1, 1)), False),
        (_versions((0, 3, 9), throttled=1), False),
        (_versions((0, 3, 9), nonce=NONCE + 1), False),
        (_versions((0, 3, 9))[:-1], False),
    ],
)
def test_a_client_may_be_offered_fewer_versions_than_its_broker_has(got: bytes, same: bool) -> None:
    assert faithful(KafkaAsk("apiversions", 1), got, _versions((0, 3, 9), (1, 4, 17))) is same
    assert faithful(KafkaAsk("metadata", 1), got, _versions((0, 3, 9), (1, 4, 17))) is (got == _versions((0, 3, 9), (1, 4, 17)))


def test_a_client_may_be_given_no_session_of_fetch() -> None:
    def fetched(session: int, throttled: int = 0) -> bytes:
        body = struct.pack(">iihii", NONCE, throttled, 0, session, 0)
        return struct.pack(">i", len(body)) + body

    asked = KafkaAsk("fetch", 7)
    assert faithful(asked, fetched(0), fetched(5))
    assert not faithful(asked, fetched(6), fetched(5))
    assert not faithful(asked, fetched(0, 1), fetched(5))
    old = KafkaAsk("fetch", 6)  # without sessions
    assert not faithful(old, struct.pack(">iiii", 12, NONCE, 0, 0), struct.pack(">iiii", 12, NONCE, 1, 0))


def test_the_published_versions_are_those_of_apaches_schemas() -> None:
    published = {name: set(schema_name_map[api_key_map[key]]) for key, name in enumerate(API_KEYS) if key in api_key_map}
    assert {name: set(versions) for name, versions in VERSIONS.items()} == published


def test_a_request_is_the_bytes_that_apache_documents() -> None:
    asked = KafkaAsk("metadata", 1, ("orders",), "web")
    body = struct.pack(">hhih3sih6s", 3, 1, NONCE, 3, b"web", 1, 6, b"orders")
    assert encoded(asked, NONCE) == struct.pack(">i", len(body)) + body
    flexible = struct.pack(">hhih", 3, 9, NONCE, -1) + b"\0" + b"\x02\x07orders\0" + b"\0\0\0" + b"\0"
    assert encoded(KafkaAsk("metadata", 9, ("orders",)), NONCE) == struct.pack(">i", len(flexible)) + flexible


@pytest.mark.parametrize(("version", "topics"), [(0, b"\0\0\0\0"), (1, b"\xff\xff\xff\xff"), (9, b"\0")])
def test_a_request_for_all_topics_says_so_as_its_version_does(version: int, topics: bytes) -> None:
    head = 14 if version < 9 else 15
    assert encoded(KafkaAsk("metadata", version), NONCE)[head : head + len(topics)] == topics


@pytest.mark.parametrize("api", VERSIONS)
def test_a_version_that_nobody_has_published_is_written_as_the_newest(api: str) -> None:
    newest = VERSIONS[api].stop - 1
    like, unknown = (encoded(KafkaAsk(api, version, ("orders",)), NONCE) for version in (newest, 99))
    assert unknown == like[:6] + struct.pack(">h", 99) + like[8:]


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        (KafkaAsk("metadata"), "Kafka metadata v0"),
        (
            KafkaAsk("produce", 9, ("a", "b"), "web", Sends.BYTEWISE, True),
            "Kafka produce v9 a,b (client web, bytewise, shared connection)",
        ),
        (KafkaAsk("fetch", 4, sends=(1, 2)), "Kafka fetch v4 (in pieces of 1, 2)"),
    ],
)
def test_a_request_says_what_tells_it_from_others(asked: KafkaAsk, shown: str) -> None:
    assert str(asked) == shown
