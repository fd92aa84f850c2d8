"""Connections that were opened and used under the policies of the step before: what becomes of them under those of this one."""

from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from harness.dataplanes.port import Attachment
from harness.judge.conformance import Sight
from harness.lab.port import Lab, Process
from harness.model.bench import Expectation, Opened
from harness.model.case import Step
from harness.model.flow import Verdict
from harness.traffic.held import HeldConnection, held


@contextmanager
def kept_open(step: Step, lab: Lab, servers: Mapping[str, Process]) -> Iterator[Mapping[Expectation, HeldConnection]]:
    """A connection for each flow that ``step`` asks over an earlier one; ``servers`` are the responders by pod.

    Raises LoadFailed where one cannot be opened.
    """
    with ExitStack() as stack:
        yield {
            each: stack.enter_context(
                held(each.flow, lab, servers[each.flow.destination] if each.opened is Opened.ASKED else None)
            )
            for each in step.expectations
            if each.opened in (Opened.EARLIER, Opened.ASKED)
        }


def ask_over(connections: Mapping[Expectation, HeldConnection], attachment: Attachment) -> list[Sight]:
    """Ask over all at once, once each. A denial may show as silence or as a close: a plane declares how it denies new ones."""
    if not connections:
        return []
    with ThreadPoolExecutor(len(connections)) as pool:
        asked = list(pool.map(HeldConnection.ask, connections.values()))
    return [
        Sight(
            each, seen.verdict, seen.detail,
            evidence=None if seen.verdict is Verdict.FORWARDED else attachment.evidence(each.flow),
        )
        for each, seen in zip(connections, asked, strict=True)
    ]  # fmt: skip
