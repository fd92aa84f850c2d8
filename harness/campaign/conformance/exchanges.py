"""The exchanges of conformance cases: against the oracles, on the control, and on a data plane."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from harness.dataplanes.port import Attachment
from harness.judge.conformance import Judgement
from harness.judge.exchanges import ExchangeSight, SeenMessage, contradiction, judge_exchanges
from harness.lab.port import Lab
from harness.model.case import Case, Step
from harness.model.cilium import Policy
from harness.model.exchange import Exchange, ExchangeExpectation, Fate, ReadMessage
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.origin import Origin
from harness.model.topology import Topology
from harness.model.verdict import Answer
from harness.oracle import direct, sets, wire
from harness.oracle.direct.paths import normal
from harness.traffic.arrivals import Responder, settle
from harness.traffic.exchange import Received, answers, send
from harness.traffic.transcript import ReadConnection, Transcript

SECONDS = 0.5
"""Of silence, after which no answer is waited for: longer than for a probe, as a pipeline of requests takes its time."""

ENDING_SECONDS = 1.5
"""The same where a message follows one that is refused: a server may end the connection, and Envoy takes 1 s to do so."""

AT_ONCE = 8
_OK = range(200, 300)


def expected_exchanges(cases: Sequence[Case]) -> list[ExchangeExpectation]:
    """All of them, in order."""
    return [each for case in cases for step in case.steps for each in step.exchanges]


def readings(exchange: Exchange) -> tuple[list[ReadMessage | None], str | None]:
    """Each message as the strict reading has it, None from the first on that is no request; and why those are not the ones.

    A message that is listed as one but is read as a part of one, or as several, is a fault of the case.
    """
    read = wire.read(b"".join(exchange.messages))
    found: list[ReadMessage | None] = []
    end = 0
    for number, message in enumerate(exchange.messages):
        end += len(message)
        if number < len(read.messages):
            if read.messages[number].end != end:
                return found, f"message {number + 1} does not end where a strict reader ends it"
            found.append(read.messages[number])
        else:
            found.append(None)
    if len(read.messages) > len(found):
        return found, f"a strict reader reads {len(read.messages)} messages, not {len(found)}"
    if found.count(None) > 1:
        return found, f"message {found.index(None) + 1} is no request ({read.stopped}); write what follows into it"
    return found, None


def flow_of(exchange: Exchange, message: ReadMessage | None = None) -> Flow:
    """The flow that carries a message; without one, the connection alone."""
    request = None if message is None or not message.request.path.startswith("/") else message.request
    return Flow(exchange.source, exchange.destination, exchange.port, family=exchange.family, request=request)


def message_flows(expectation: ExchangeExpectation) -> Iterator[tuple[Flow, Fate, ReadMessage]]:
    """The flow of each message that is a request for a path, and its fate."""
    for expected, message in zip(expectation.messages, readings(expectation.exchange)[0], strict=False):
        if message is not None and message.request.path.startswith("/"):
            yield flow_of(expectation.exchange, message), expected.fate, message


def consult_exchanges(step: Step, topology: Topology, other: sets.Oracle) -> Iterator[str]:
    """What contradicts the case, by the strict reading and both oracles."""
    for expectation in step.exchanges:
        exchange = expectation.exchange
        if other.answer(flow_of(exchange)).verdict is not Verdict.FORWARDED:
            yield f"{expectation.origin}: {exchange}: the oracles do not allow its connection; write a flow"
        read, fault = readings(exchange)
        if fault:
            yield f"{expectation.origin}: {exchange}: {fault}"
            continue
        for place, (expected, message) in enumerate(zip(expectation.messages, read, strict=True)):
            against = contradiction(expected, message, _answer(exchange, message, step.policies, topology))
            if against:
                yield f"{expected.origin}: {exchange}: message {place + 1}: expected {expected.fate}: {against}"


def asked_of_exchanges(case: Case) -> Iterator[tuple[Flow, Origin]]:
    """The connections of a case's exchanges."""
    return ((flow_of(each.exchange), each.origin) for each in expected_exchanges([case]))


def exchanges_on_control(cases: Sequence[Case], lab: Lab) -> dict[Exchange, str]:
    """Send each exchange once where nothing denies: what of those is wrong whose requests are not all answered.

    Of an exchange all is asked up to the first message that a server may refuse.
    """
    exchanges = list(dict.fromkeys(each.exchange for each in expected_exchanges(cases)))
    wrong = {}
    for exchange, received in zip(exchanges, _sent(exchanges, lab, SECONDS), strict=True):
        certain = [message for message in readings(exchange)[0] if message is not None]
        doubtful = next((place for place, message in enumerate(certain) if message.doubt), len(certain))
        came, _ = answers(received.data, [each.request.method for each in certain])
        statuses = [each.status for each in came[:doubtful]]
        if len(statuses) < doubtful or any(status not in _OK for status in statuses):
            got = ", ".join(map(str, statuses)) or "nothing"
            wrong[exchange] = f"{exchange}: {doubtful} requests were answered by {got} ({received.end}) where nothing denies"
    return wrong


def judge_exchanges_on(
    step: Step, lab: Lab, servers: Mapping[str, Responder], attachment: Attachment, topology: Topology
) -> Judgement:
    """Send a step's exchanges and judge what became of them.

    At once are sent those of different servers, ports and families: what a server reads tells by these whose it is.
    """
    sights: list[ExchangeSight] = []
    for together in _rounds(step.exchanges):
        transcripts = {ref: Transcript(server) for ref, server in servers.items()}
        received = _sent([each.exchange for each in together], lab, max(map(_patience, together)))
        settle(servers.values())
        read = [(ref, each) for ref, transcript in transcripts.items() for each in transcript.connections()]
        keys = {_key(each.exchange) for each in together}
        stray = [(ref, each) for ref, each in read if (ref, each.port, each.family) not in keys]
        for expectation, back in zip(together, received, strict=True):
            own = [(ref, each) for ref, each in read if (ref, each.port, each.family) == _key(expectation.exchange)]
            sights.append(_sight(expectation, back, [*own, *stray], step.policies, topology, attachment))
    return judge_exchanges(sights)


def _key(exchange: Exchange) -> tuple[str, int, int]:
    return exchange.destination, exchange.port, exchange.family


def _rounds(expectations: Sequence[ExchangeExpectation]) -> Iterator[list[ExchangeExpectation]]:
    left = list(expectations)
    while left:
        taken = list({_key(each.exchange): each for each in reversed(left)}.values())
        yield taken
        left = [each for each in left if each not in taken]


def _patience(expectation: ExchangeExpectation) -> float:
    refused = any(each.fate is not Fate.FORWARDED for each in expectation.messages[:-1])
    return ENDING_SECONDS if refused else SECONDS


def _sent(exchanges: Sequence[Exchange], lab: Lab, seconds: float) -> list[Received]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(lambda each: send(each, lab, seconds), exchanges))


def _sight(
    expectation: ExchangeExpectation,
    back: Received,
    read: Sequence[tuple[str, ReadConnection]],
    policies: Sequence[Policy],
    topology: Topology,
    attachment: Attachment,
) -> ExchangeSight:
    exchange = expectation.exchange
    sent, _ = readings(exchange)
    came, rest = answers(back.data, [each.request.method for each in sent if each is not None])
    turns: list[tuple[int, SeenMessage]] = []
    unread = []
    for ref, connection in read:
        reading = wire.read(connection.data)
        begin = 0
        for message in reading.messages:
            flow = replace(exchange, destination=ref, port=connection.port)
            turns.append((connection.turn(begin), SeenMessage(ref, message, _answer(flow, message, policies, topology))))
            begin = message.end
        if reading.stopped:
            unread.append(f"{reading.stopped}: {connection.data[begin : begin + 80]!r}")
    return ExchangeSight(
        expectation,
        [each and _judged(each) for each in sent],
        [_answer(exchange, each, policies, topology) for each in sent],
        came,
        f"{back.end}, then {rest}" if rest else back.end,
        [seen for _, seen in sorted(turns, key=lambda turn: turn[0])],
        unread,
        [_evidence(exchange, each, attachment) for each in sent],
    )


def _judged(message: ReadMessage) -> ReadMessage:
    """The message with its path as rules see it, which is what the server has to get."""
    path = message.request.path
    return replace(message, request=replace(message.request, path=normal(path) if path.startswith("/") else path))


def _answer(exchange: Exchange, message: ReadMessage | None, policies: Sequence[Policy], topology: Topology) -> Answer | None:
    flow = flow_of(exchange, message)
    return None if flow.request is None else direct.answer(flow, policies, topology)


def _evidence(exchange: Exchange, message: ReadMessage | None, attachment: Attachment) -> Evidence | None:
    flow = flow_of(exchange, message)
    return None if flow.request is None else attachment.evidence(flow)
