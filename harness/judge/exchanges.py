"""What an exchange of a conformance case proves: each message's fate, and that nothing else reached a server."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from harness.judge.conformance import Judgement, deciding
from harness.model.exchange import ExchangeExpectation, Fate, HTTPAnswer, MessageExpectation, ReadMessage
from harness.model.fault import Symptom
from harness.model.flow import Evidence, Verdict
from harness.model.verdict import Answer

Fault = tuple[Symptom, str]
_OK = range(200, 300)
_REFUSED = range(300, 600)
_DENIED = 403
_ENDED = ("closed", "ECONNRESET", "EPIPE")


@dataclass(frozen=True, slots=True)
class SeenMessage:
    """A request that the server of ``pod`` read; ``answer``: what policy says of it, None where it asks for no path."""

    pod: str
    message: ReadMessage
    answer: Answer | None


@dataclass(frozen=True, slots=True)
class ExchangeSight:
    """What was seen of an exchange.

    ``sent``: each message as the strict reading has it, its path in normal form; None for one that is no request.
    ``answers``: the oracle's for each. ``came`` and ``end``: what the client read and how it ended. ``unread``: why what a
    server read is no request. ``evidence``: the data plane's record of each message, where it has one.
    """

    expectation: ExchangeExpectation
    sent: Sequence[ReadMessage | None]
    answers: Sequence[Answer | None]
    came: Sequence[HTTPAnswer]
    end: str
    seen: Sequence[SeenMessage]
    unread: Sequence[str]
    evidence: Sequence[Evidence | None]


def contradiction(expectation: MessageExpectation, sent: ReadMessage | None, answer: Answer | None) -> str | None:
    """Why a message's expected fate does not follow from the strict reading and from what policy says; None if it does."""
    if sent is None:
        return None if expectation.fate is Fate.REFUSABLE else "it is no request, so that it can only be refusable"
    if answer is not None and answer.verdict is not Verdict.FORWARDED:
        wanted = Fate.REJECTED
    else:
        wanted = Fate.REFUSABLE if sent.doubt else Fate.FORWARDED
    if expectation.fate is wanted or (sent.doubt and expectation.fate is Fate.REFUSABLE):
        return None
    why = f" ({sent.doubt})" if sent.doubt else ""
    says = "" if answer is None else f", of which the oracle says {answer.verdict} ({deciding(answer).reason})"
    return f"it is {sent.request}{why}{says}, so that it is {wanted}"


def judge_exchanges(sights: Sequence[ExchangeSight]) -> Judgement:
    """Judge what was seen of a step's exchanges."""
    faults, symptoms, rules = [], set(), []
    for sight in sights:
        for symptom, said in _faults(sight):
            faults.append(said)
            symptoms.add(symptom)
        rules += [str(deciding(answer).rule) for answer in sight.answers if answer is not None and deciding(answer).rule]
    reasons = sorted({each.reason for sight in sights for each in sight.evidence if each is not None})
    return Judgement(tuple(faults), ", ".join(reasons), rules[0] if rules else None, frozenset(symptoms))


def _faults(sight: ExchangeSight) -> Iterator[Fault]:
    what = sight.expectation
    for why in sight.unread:
        yield Symptom.ADMITS, f"{what.origin}: {what.exchange}: a server read what is no request: {why}"
    for seen in sight.seen:
        if seen.answer is None or seen.answer.verdict is not Verdict.FORWARDED:
            said = "it asks for no path" if seen.answer is None else f"{seen.answer.verdict}: {deciding(seen.answer).reason}"
            where = None if seen.answer is None else deciding(seen.answer).rule
            read = f"the server of {seen.pod} read {seen.message.request}"
            yield Symptom.ADMITS, f"{what.origin}: {what.exchange}: {read} ({said}; deciding rule: {where or 'none'})"
    yield from _in_order(sight)


def _in_order(sight: ExchangeSight) -> Iterator[Fault]:
    """Each message's own fate, up to the first that may be refused: whether there are answers behind that is open.

    Behind an answer that refuses, a plane may end the connection: what it leaves unanswered then no server may have read.
    """
    refused = False
    seen = list(sight.seen)
    came = list(sight.came)
    for place, (expected, sent) in enumerate(zip(sight.expectation.messages, sight.sent, strict=True)):
        if expected.fate is Fate.REFUSABLE or sent is None:
            return
        answer = came.pop(0) if came else None
        head = (
            f"{expected.origin}: {sight.expectation.exchange}: message {place + 1}, {sent.request}: expected {_words(expected)}"
        )
        got = f"status {answer.status}" if answer is not None else f"no answer (the connection: {sight.end})"
        if answer is None and refused and sight.end.startswith(_ENDED):
            break
        refused = refused or expected.fate is Fate.REJECTED
        right = _OK if expected.fate is Fate.FORWARDED else _REFUSED
        if answer is None or answer.status not in right or expected.status not in (None, answer.status):
            wrong = Symptom.DENIES if expected.fate is Fate.FORWARDED else Symptom.BREAKS
            admitted = expected.fate is Fate.REJECTED and answer is not None and answer.status in _OK
            yield (Symptom.ADMITS if admitted else wrong), f"{head}, observed {got}"
        elif expected.fate is Fate.REJECTED and answer.status == _DENIED and sight.evidence[place] is None:
            yield Symptom.BREAKS, f"{head}, observed {got}, of which the data plane has no record"
        if expected.fate is Fate.FORWARDED:
            first = seen.pop(0) if seen else None
            if difference := _difference(sight, sent, expected, first):
                yield Symptom.BREAKS, f"{head}, and that its server reads it; {difference}"
    if came:
        yield (
            Symptom.BREAKS,
            f"{sight.expectation.origin}: {sight.expectation.exchange}: {len(came)} more answers than requests",
        )
    for extra in seen:
        read = f"the server of {extra.pod} read {extra.message.request} too"
        yield Symptom.ADMITS, f"{sight.expectation.origin}: {sight.expectation.exchange}: {read}"


def _words(expected: MessageExpectation) -> str:
    return str(expected.fate) + (f" with status {expected.status}" if expected.status else "")


def _difference(sight: ExchangeSight, sent: ReadMessage, expected: MessageExpectation, seen: SeenMessage | None) -> str | None:
    """How what its server read is not what was sent; None where it is."""
    if seen is None:
        return "it read nothing"
    if seen.pod != sight.expectation.exchange.destination:
        return f"that of {seen.pod} read it"
    mine, its = sent.request, seen.message.request
    if (its.method, its.path) != (mine.method, mine.path) or mine.host not in (None, its.host):
        return f"it read {its} of the host {its.host}"
    if seen.message.body != sent.body or not seen.message.complete:
        return f"it read a body of {len(seen.message.body)} bytes that is not the one sent"
    for name, value in expected.reaches:
        values = [each for other, each in its.headers if other.lower() == name.lower()]
        read = ",".join(values) if values else None
        if read != value:
            return f"it read {read!r} as {name}, not {value!r}"
    return None
