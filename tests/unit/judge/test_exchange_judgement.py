"""What an exchange comes to: each message's fate in its order, and that nothing else reached a server."""

from dataclasses import replace

import pytest

from harness.judge.exchanges import ExchangeSight, SeenMessage, contradiction, judge_exchanges
from harness.model.exchange import Exchange, ExchangeExpectation, Fate, HTTPAnswer, MessageExpectation, ReadMessage
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Verdict
from harness.model.origin import Origin
from harness.model.request import HTTPRequest
from harness.model.verdict import Answer, Decision

HERE = Origin("scenario.yaml", 7)
OPEN = Decision(Verdict.FORWARDED, None, "no policy isolates")
ALLOWED = Answer(Verdict.FORWARDED, OPEN, Decision(Verdict.FORWARDED, HERE, "allowed by rule"))
REFUSED = Answer(Verdict.REJECTED, OPEN, Decision(Verdict.REJECTED, HERE, "no rule about requests allows it"))
A = ReadMessage(HTTPRequest(path="/a", host="api"), b"", 10)
B = ReadMessage(HTTPRequest(path="/b", host="api"), b"", 20)
OK, NO = HTTPAnswer(200, b"shop/api"), HTTPAnswer(403, b"Access denied\r\n")
RECORD = Evidence("node-proxy", "rbac_access_denied")
FORWARDED, REJECTED = MessageExpectation(HERE, Fate.FORWARDED), MessageExpectation(HERE, Fate.REJECTED, 403)
REFUSABLE = MessageExpectation(HERE, Fate.REFUSABLE)


def seen(message: ReadMessage, answer: Answer | None = ALLOWED, pod: str = "shop/api") -> SeenMessage:
    return SeenMessage(pod, message, answer)


def sight(*messages: MessageExpectation, **others: object) -> ExchangeSight:
    """An allowed request for /a and a refused one for /b, both as they should fare."""
    exchange = Exchange("shop/client", "shop/api", 8080, (b"1", b"2"))
    good = ExchangeSight(
        ExchangeExpectation(HERE, exchange, messages or (FORWARDED, REJECTED)),
        sent=(A, B),
        answers=(ALLOWED, REFUSED),
        came=(OK, NO),
        end="silent",
        seen=(seen(A),),
        unread=(),
        evidence=(None, RECORD),
    )
    return replace(good, **others)  # type: ignore[arg-type]


def test_an_exchange_that_fares_as_it_should_has_no_faults() -> None:
    judged = judge_exchanges([sight()])
    assert (judged.faults, judged.evidence, judged.rule) == ((), "rbac_access_denied", "scenario.yaml:7")


@pytest.mark.parametrize(
    ("changed", "symptom", "said"),
    [
        ({"came": (NO, NO)}, Symptom.DENIES, "message 1, GET /a: expected forwarded, observed status 403"),
        ({"came": ()}, Symptom.DENIES, "observed no answer (the connection: silent)"),
        ({"came": (OK, OK)}, Symptom.ADMITS, "message 2, GET /b: expected rejected with status 403, observed status 200"),
        ({"came": (OK, HTTPAnswer(400, b""))}, Symptom.BREAKS, "observed status 400"),
        ({"came": (OK, NO, OK)}, Symptom.BREAKS, "1 more answers than requests"),
        ({"seen": ()}, Symptom.BREAKS, "it read nothing"),
        ({"seen": (seen(A), seen(B, REFUSED))}, Symptom.ADMITS, "the server of shop/api read GET /b (rejected"),
        ({"seen": (seen(A), seen(A))}, Symptom.ADMITS, "the server of shop/api read GET /a too"),
        ({"seen": (seen(A, pod="shop/cart"),)}, Symptom.BREAKS, "that of shop/cart read it"),
        ({"seen": (seen(replace(A, body=b"x")),)}, Symptom.BREAKS, "a body of 1 bytes that is not the one sent"),
        ({"seen": (seen(replace(A, complete=False)),)}, Symptom.BREAKS, "not the one sent"),
        ({"seen": (seen(replace(A, request=HTTPRequest(path="/a", host="evil"))),)}, Symptom.BREAKS, "of the host evil"),
        ({"seen": (seen(A), seen(replace(A, request=HTTPRequest("CONNECT", "x")), None))}, Symptom.ADMITS, "asks for no"),
        ({"unread": ("a bare LF in the head",)}, Symptom.ADMITS, "a server read what is no request: a bare LF in the head"),
        ({"evidence": (None, None)}, Symptom.BREAKS, "of which the data plane has no record"),
    ],
)  # fmt: skip
def test_what_is_not_as_it_should_be_is_said(changed: dict[str, object], symptom: Symptom, said: str) -> None:
    judged = judge_exchanges([sight(**changed)])
    assert symptom in judged.symptoms
    assert said in "\n".join(judged.faults)


def test_behind_a_refusal_the_connection_may_end_unless_a_server_read_what_follows() -> None:
    ended = sight(
        REJECTED, FORWARDED, sent=(B, A), answers=(REFUSED, ALLOWED), came=(NO,), evidence=(RECORD, None), end="closed"
    )
    assert judge_exchanges([replace(ended, seen=())]).faults == ()
    assert "read GET /a too" in judge_exchanges([ended]).faults[0]
    assert "no answer (the connection: silent)" in judge_exchanges([replace(ended, seen=(), end="silent")]).faults[0]


def test_what_may_be_refused_may_be_passed_on_if_it_is_allowed() -> None:
    open_ = sight(FORWARDED, REFUSABLE, sent=(A, None), answers=(ALLOWED, None))
    for came in ((OK,), (OK, NO), (OK, OK, OK)):
        assert judge_exchanges([replace(open_, came=came)]).faults == ()
    assert judge_exchanges([replace(open_, seen=(seen(A), seen(A)))]).faults == ()
    assert judge_exchanges([replace(open_, seen=(seen(A), seen(B, REFUSED)))]).symptoms == {Symptom.ADMITS}


@pytest.mark.parametrize(
    ("reaches", "fault"),
    [((("X-Team", "a,b"),), None), ((("X-Team", "a"),), "it read 'a,b' as X-Team, not 'a'"), ((("X-Other", None),), None)],
)
def test_headers_must_reach_their_server(reaches: tuple[tuple[str, str | None], ...], fault: str | None) -> None:
    read = replace(A, request=replace(A.request, headers=(("x-team", "a"), ("X-Team", "b"))))
    judged = judge_exchanges([sight(replace(FORWARDED, reaches=reaches), REJECTED, seen=(seen(read),))])
    assert len(judged.faults) == (fault is not None)
    assert fault is None or fault in judged.faults[0]


@pytest.mark.parametrize(
    ("expected", "sent", "answer", "against"),
    [
        (FORWARDED, A, ALLOWED, None),
        (REJECTED, A, REFUSED, None),
        (REJECTED, A, ALLOWED, "so that it is forwarded"),
        (FORWARDED, A, REFUSED, "so that it is rejected"),
        (REFUSABLE, A, ALLOWED, "so that it is forwarded"),
        (REFUSABLE, A, REFUSED, "so that it is rejected"),
        (REFUSABLE, replace(A, doubt="odd"), ALLOWED, None),
        (REFUSABLE, replace(A, doubt="odd"), REFUSED, None),
        (REJECTED, replace(A, doubt="odd"), REFUSED, None),
        (FORWARDED, replace(A, doubt="odd"), ALLOWED, "(odd), of which the oracle says forwarded (allowed by rule)"),
        (REFUSABLE, None, None, None),
        (REJECTED, None, None, "it is no request"),
    ],
)  # fmt: skip
def test_what_a_case_expects_has_to_follow(
    expected: MessageExpectation, sent: ReadMessage | None, answer: Answer | None, against: str | None
) -> None:
    found = contradiction(expected, sent, answer)
    assert (found is None) == (against is None)
    assert against is None or against in (found or "")
