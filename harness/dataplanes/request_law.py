"""What policies and routes say of requests, as an Envoy is told it, and where it was written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from harness.dataplanes.port import DataPlaneError
from harness.dataplanes.routed import Routed
from harness.envoy.admission import Scope, requests
from harness.envoy.errors import NotAccepted
from harness.envoy.paths import normalised
from harness.envoy.request_rbac import name
from harness.envoy.request_rules import RequestRules, rules_of
from harness.envoy.service_resources import ServiceRules
from harness.model.origin import Origin
from harness.model.request import GRPCRequest, HTTPRequest, Request
from harness.model.route import RequestMirror, Route
from harness.model.routing import Routing


@dataclass(frozen=True, slots=True)
class Told:
    """What an Envoy judges connections to pods by, and what it does with requests to Services."""

    rules: RequestRules
    services: ServiceRules

    def refusing_also(self, former: "Told") -> "Told":
        """These, and what ``former`` refuses too."""
        return Told(self.rules.refusing_also(former.rules), self.services.refusing_also(former.services))


@dataclass(frozen=True, slots=True)
class RequestLaw:
    """What ``Told`` is made of: what policies and routes say."""

    scopes: Sequence[Scope] = ()
    routed: Routed = field(default_factory=Routed)

    def told(self, number: int) -> Told:
        """With ``number`` in the names of the policies by which Envoy refuses."""
        return Told(rules_of(self.scopes, _prefix(number)), self.routed.rules(number))

    def origins(self, number: int) -> dict[str, Origin]:
        """Where the rules were written that refuse, by the names of policies."""
        own = {name(scope, index, _prefix(number)): scope.origin for index, scope in enumerate(self.scopes)}
        return own | self.routed.origins(number)


def blamed(error: BaseException, laws: Iterable[RequestLaw]) -> BaseException:
    """``error`` with the line of the rule whose expression an Envoy quotes in refusing its configuration."""
    if not isinstance(error, NotAccepted):
        return error
    asked = {rule for law in laws for rule in requests((*law.scopes, *law.routed.scopes))}
    quoted = [rule for rule in asked for text in (rule.path, rule.method, rule.host) if text and str(error).endswith(text)]
    return NotAccepted(f"{quoted[0].origin}: {error}") if quoted else error


def written_down(request: Request | None, *, normalised_times: int) -> tuple[str, str] | None:
    """The method and path of ``request`` in Envoy's record of it; None for what is no request of HTTP.

    The path has been put in its normal form by so many Envoys: of a few, that is not the same once and twice.
    """
    if isinstance(request, HTTPRequest):
        method, path = request.method, request.path
    elif isinstance(request, GRPCRequest):
        method, path = "POST", f"/{request.method}"
    else:
        return None
    for _ in range(normalised_times):
        path = normalised(path)
    return method, path


def check_routing(routing: Routing, plane: str) -> None:
    """Raises DataPlaneError naming the first object that Envoys of pods and nodes cannot put in force."""
    routes: list[Route] = [*routing.http_routes, *routing.grpc_routes]
    refs = [ref for route in routes for rule in route.rules or () for ref in rule.backend_refs or ()]
    for each in (each for ref in refs for each in ref.filters or ()):
        if isinstance(each, RequestMirror):
            raise DataPlaneError(f"{each.origin}: {plane} has no mirrors of one backend's requests; write it in the rule")


def _prefix(number: int) -> str:
    return f"{number}-"
