"""Which routes a listener of a Gateway accepts, and which host names of theirs mean something there.

Source: ``Listener``, ``AllowedRoutes``, ``ParentReference`` and ``HTTPRouteSpec.hostnames`` of Gateway API; docs/routing.md.
"""

from collections.abc import Iterable, Mapping, Sequence

from harness.envoy.service_hosts import age_of
from harness.model.policy import LabelSelector
from harness.model.route import Gateway, Listener, ParentReference, Route

GROUP = "gateway.networking.k8s.io"
_NAME_LABEL = "kubernetes.io/metadata.name"
_ANY_LABEL = "*."

Labels = Mapping[str, str]


def accepted(routes: Iterable[Route], gateway: Gateway, listener: Listener, namespaces: Mapping[str, Labels]) -> list[Route]:
    """The routes of a listener. Where an HTTPRoute and a GRPCRoute share a host, the older one is accepted.

    ``namespaces``: the labels of each.
    """
    found: list[Route] = []
    for route in sorted(routes, key=age_of):
        if not any(_means(parent, route, gateway, listener) for parent in route.parent_refs or ()):
            continue
        if not _allowed(route, gateway, listener, namespaces) or not hosts_at(listener, route):
            continue
        if not any(type(other) is not type(route) and _meet(listener, route, other) for other in found):
            found.append(route)
    return found


def hosts_at(listener: Listener, route: Route) -> dict[str | None, str | None]:
    """The route's host names, as it writes them, that have a host in common with the listener's; each with what they share.

    None, as a name and as what is shared, is every host.
    """
    found: dict[str | None, str | None] = {}
    for name in route.hostnames or (None,):
        for common in _shared(listener.hostname, name):
            found[name] = common
    return found


def _shared(one: str | None, other: str | None) -> Sequence[str | None]:
    """The narrower of two names, where every host of it is one of the other's too; nothing where they share none."""
    if one is None or other is None or one == other:
        return (other if one is None else one,)
    for wide, narrow in ((one, other), (other, one)):
        if wide.startswith(_ANY_LABEL) and narrow.removeprefix("*").endswith(wide[1:]):
            return (narrow,)
    return ()


def _meet(listener: Listener, one: Route, other: Route) -> bool:
    mine, theirs = hosts_at(listener, one).values(), hosts_at(listener, other).values()
    return any(_shared(first, second) for first in mine for second in theirs)


def _means(parent: ParentReference, route: Route, gateway: Gateway, listener: Listener) -> bool:
    if parent.group not in (None, GROUP) or parent.kind not in (None, "Gateway") or parent.name != gateway.name:
        return False
    if (parent.namespace or route.namespace) != gateway.namespace:
        return False
    if parent.port is not None and parent.port != listener.port:
        return False
    return parent.section_name is None or parent.section_name == listener.name


def _allowed(route: Route, gateway: Gateway, listener: Listener, namespaces: Mapping[str, Labels]) -> bool:
    allowed = listener.allowed_routes
    kinds = () if allowed is None else allowed.kinds or ()
    if kinds and not any(each.kind == type(route).__name__ and (each.group or GROUP) == GROUP for each in kinds):
        return False
    whence = None if allowed is None else allowed.from_
    if allowed is not None and whence == "Selector":
        labels = {**namespaces.get(route.namespace, {}), _NAME_LABEL: route.namespace}
        return _selected(labels, allowed.selector)
    return whence == "All" or route.namespace == gateway.namespace


def _selected(labels: Labels, selector: LabelSelector | None) -> bool:
    if selector is None:
        return True
    if any(labels.get(key) != value for key, value in (selector.match_labels or {}).items()):
        return False
    for each in selector.match_expressions or ():
        there, values = each.key in labels, each.values or ()
        met = {
            "Exists": there,
            "DoesNotExist": not there,
            "In": there and labels[each.key] in values,
            "NotIn": not there or labels[each.key] not in values,
        }
        if not met[each.operator]:
            return False
    return True
