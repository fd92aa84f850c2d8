"""Generated requests to Services in a lab, compared with what the oracles of routing and of policies say."""

from collections.abc import Sequence
from contextlib import closing

from http_ends import Backend
from hypothesis import HealthCheck, Phase, settings
from routed_answers import agrees
from service_clients import calls as calls_of
from service_world import PORT, SERVICES

from harness.dataplanes.port import Attachment
from harness.lab.port import Lab
from harness.model.cilium import Policy
from harness.model.flow import Flow, Verdict
from harness.model.request import HTTPRequest
from harness.model.routing import Call, Forwarded, Routing
from harness.oracle import direct
from harness.oracle.routing import Router

IN_A_LAB = settings(
    deadline=None, derandomize=True, database=None, phases=(Phase.generate,), suppress_health_check=list(HealthCheck)
)


def check_against_oracles(
    plane: Attachment,
    lab: Lab,
    backends: dict[str, Backend],
    routing: Routing,
    calls: Sequence[Call],
    policies: Sequence[Policy] = (),
    times: int = 1,
) -> None:
    """Each call is answered as the routes say, or refused where policies refuse the request that its backend would get.

    Each is asked so many ``times``, over one connection.
    """
    plane.apply(policies, routing)
    oracle = Router(routing, lab.topology)
    for number, asked in enumerate(calls):
        family = 4 if number % 2 else 6

        def admits(pod: str, routed: Forwarded, asked: Call = asked, family: int = family) -> bool:
            method = asked.request.method if isinstance(asked.request, HTTPRequest) else "POST"
            request = HTTPRequest(method, routed.path, routed.host, tuple(routed.headers.items()))
            flow = Flow(asked.source, pod, PORT, family=family, request=request)
            return direct.answer(flow, policies, lab.topology).verdict is Verdict.FORWARDED

        expected = oracle.answer(asked)
        with closing(calls_of(lab, SERVICES, asked, family)) as answers:
            for _ in range(times):
                for each in backends.values():
                    each.seen.clear()
                answer = next(answers)
                seen = [each for served in backends.values() for each in served.seen]
                assert len(seen) <= 1
                assert agrees(expected, answer, seen[0] if seen else None, admits), (
                    f"{asked}: {answer}, {seen}, not of {expected}"
                )
