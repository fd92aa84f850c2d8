"""The classes of exchanges that conformance cases hold: what is sent, in which pieces, and what decides its fate."""

from collections.abc import Iterator

from harness.campaign.conformance.exchanges import flow_of, message_flows, readings
from harness.campaign.coverage.raw import odd_classes
from harness.campaign.coverage.requests import request_class
from harness.campaign.coverage.situations import decided, distance
from harness.model.case import Step
from harness.model.coverage import Pair
from harness.model.exchange import Exchange, Fate, ReadMessage, Sends
from harness.model.flow import Flow
from harness.model.topology import Topology
from harness.oracle import direct, wire


def asked_by_exchanges(step: Step) -> Iterator[tuple[Flow, Fate]]:
    """The flows whose fate is certain, as the strict reading has them."""
    for each in step.exchanges:
        yield from ((flow, fate) for flow, fate, _ in message_flows(each) if fate is not Fate.REFUSABLE)


def exchange_pairs(step: Step, topology: Topology) -> Iterator[Pair]:
    """A pair for each message of a step's exchanges."""
    for expectation in step.exchanges:
        exchange = expectation.exchange
        sent, _ = readings(exchange)
        where = f"{_sends(exchange)} over IPv{exchange.family} {distance(flow_of(exchange), topology)}"
        for place, message in enumerate(sent):
            if message is None:
                what = f"no request: {wire.read(b''.join(exchange.messages)).stopped or 'its end is missing'}"
            else:
                what = _message_class(message)
            flow = flow_of(exchange, message)
            said = "" if flow.request is None else f", {decided(direct.answer(flow, step.policies, topology), step.policies)}"
            what = " and ".join([what, *odd_classes(exchange.messages[place])])
            yield Pair("exchange", f"{what}{_behind(sent, place)}, {where}{said}")
            if expectation.messages[place].reaches:
                yield Pair("exchange", f"{what}, and the headers that its server reads")


def _message_class(message: ReadMessage) -> str:
    kinds = [request_class(message.request), *message.traits, *([message.doubt] if message.doubt else [])]
    return ", ".join([*kinds, *([] if message.complete else ["unfinished"])])


def _behind(sent: list[ReadMessage | None], place: int) -> str:
    """What stands before a message on its connection: a denied request and an allowed one leave a proxy in other states."""
    return f" behind {place} other{'' if place == 1 else 's'}" if place else f" before {len(sent) - 1}" if len(sent) > 1 else ""


def _sends(exchange: Exchange) -> str:
    return str(exchange.sends) if isinstance(exchange.sends, Sends) else "in pieces"
