"""Who answers, and who asks: servers at every flow's end, and all flows of a step at once."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from harness.lab.port import Lab
from harness.model.flow import Flow
from harness.traffic.nginx import serve
from harness.traffic.probe import Observation, probe

PROBES_AT_ONCE = 16

Asked = Observation


@contextmanager
def served(lab: Lab, flows: Sequence[Flow]) -> Iterator[None]:
    """A server at every port that a flow goes to, in every pod: who is reached must not depend on who was meant."""
    with ExitStack() as stack:
        for port in sorted({flow.port for flow in flows if flow.protocol == "TCP"}):
            for pod in lab.pods:
                stack.enter_context(serve(pod, port, lab.folder))
        yield


def ask(flows: Sequence[Flow], lab: Lab, seconds: float) -> Sequence[Asked]:
    """Each flow once, all at once; what each client saw, in the flows' order. Raises LoadFailed."""
    with ThreadPoolExecutor(PROBES_AT_ONCE) as pool:
        return list(pool.map(lambda flow: probe(flow, lab.pod(flow.source), lab.pod(flow.destination), seconds), flows))
