"""Connections that were opened and used under the policies of the step before: what becomes of them under those of this one."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from harness.campaign.conformance.calls import is_call
from harness.dataplanes.port import Attachment
from harness.judge.conformance import Sight
from harness.lab.port import Lab
from harness.model.bench import Expectation, Opened
from harness.model.case import Step
from harness.model.flow import Verdict
from harness.traffic.arrivals import Responder, Watch
from harness.traffic.held import HeldConnection, held


@contextmanager
def kept_open(step: Step, lab: Lab, servers: Mapping[str, Responder]) -> Iterator[Mapping[Expectation, HeldConnection]]:
    """A connection for each flow that ``step`` asks over an earlier one; ``servers`` are the responders by pod.

    Raises LoadFailed where one cannot be opened.
    """
    with ExitStack() as stack:
        yield {
            each: stack.enter_context(
                held(each.flow, lab, servers[each.flow.destination].process if each.opened is Opened.ASKED else None)
            )
            for each in step.expectations
            if each.opened in (Opened.EARLIER, Opened.ASKED) and not is_call(each.flow)  # else conformance_calls
        }


def ask_over(
    connections: Mapping[Expectation, HeldConnection], lab: Lab, servers: Mapping[str, Responder], attachment: Attachment
) -> list[Sight]:
    """Ask over all at once, once each. A denial may show as silence or as a close: a plane declares how it denies new ones."""
    if not connections:
        return []
    watch = Watch(lab, servers)
    with ThreadPoolExecutor(len(connections)) as pool:
        asked = list(pool.map(HeldConnection.ask, connections.values()))
    watch.settle(each.flow.destination for each in connections)
    return [
        Sight(
            each, seen.verdict, seen.detail, status=seen.status,
            evidence=None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow),
            reached=watch.reached(each.flow, seen.nonce, at_interface=False),
        )
        for each, seen in zip(connections, asked, strict=True)
    ]  # fmt: skip
