"""One stream of aggregated discovery: what an Envoy asked for, what it was sent, and what it said of that."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from harness.envoy.resources import ENDPOINTS, ROUTES, TYPES, Message, Snapshot, response_of, short

_BY_NAME = {ENDPOINTS, ROUTES}
"""Types of which only the resources are sent that were asked for by name; of all others, all."""


@dataclass(slots=True)
class _Subscription:
    """One type of resources on one stream."""

    names: frozenset[str]
    sent: Sequence[Message] | None = None
    nonce: str = ""
    accepted: Sequence[Message] | None = None
    refused: tuple[Sequence[Message], str] | None = None


@dataclass(slots=True, eq=False)
class Stream:
    """The state of a stream. Not for several threads at a time."""

    node: str | None = None
    closed: bool = False
    _subscriptions: dict[str, _Subscription] = field(default_factory=dict)
    _nonces: Any = field(default_factory=lambda: count(1))

    def heard(self, request: Any) -> None:
        """Take up a DiscoveryRequest: a subscription, other names, or what Envoy says of the latest response."""
        if request.node is not None and request.node.id:
            self.node = request.node.id
        names = frozenset(request.resource_names)
        known = self._subscriptions.get(request.type_url)
        if known is None:
            self._subscriptions[request.type_url] = _Subscription(names)
            return
        if request.response_nonce != known.nonce:
            return  # about a response that another has followed
        if request.error_detail is not None and known.sent is not None:
            known.refused = (known.sent, request.error_detail.message)
        elif request.type_url == ENDPOINTS and known.accepted == known.sent and names == known.names:
            known.accepted = known.sent = None  # it has said so already: a cluster was made anew, and waits for its members
        else:
            known.accepted = known.sent
        if names != known.names:
            known.names, known.sent = names, None

    def due(self, snapshot: Snapshot | None) -> list[tuple[str, Sequence[Message]]]:
        """The types whose resources are others than what was sent, in the order of TYPES."""
        if snapshot is None:
            return []
        found = []
        for type_url in TYPES:
            wanted = self._wanted(type_url, snapshot)
            if wanted is not None and wanted != self._subscriptions[type_url].sent:
                found.append((type_url, wanted))
        return found

    def response(self, due: tuple[str, Sequence[Message]]) -> Any:
        """The DiscoveryResponse that is to be sent, and is taken for sent."""
        type_url, resources = due
        subscription = self._subscriptions[type_url]
        subscription.sent, subscription.nonce = resources, str(next(self._nonces))
        return response_of(type_url, resources, subscription.nonce)

    def refusal(self, snapshot: Snapshot) -> str | None:
        """Why Envoy refuses a part of ``snapshot``, in its words."""
        for type_url, subscription in self._subscriptions.items():
            if subscription.refused is not None and subscription.refused[0] == self._wanted(type_url, snapshot):
                return f"{short(type_url)}: {subscription.refused[1]}"
        return None

    def waiting(self, snapshot: Snapshot) -> list[str]:
        """The types of ``snapshot`` that are not accepted yet as they are in it."""
        return [short(type_url) for type_url in snapshot if not self._accepted(type_url, snapshot[type_url])]

    def _accepted(self, type_url: str, everything: Sequence[Message]) -> bool:
        """Whether all resources of a type are. An Envoy asks for members of clusters only when it has such clusters."""
        if type_url == ENDPOINTS and not everything:
            return True
        subscription = self._subscriptions.get(type_url)
        if subscription is None or subscription.accepted is None:
            return False
        wanted = everything
        if type_url in _BY_NAME - {ENDPOINTS}:
            wanted = [one for one in everything if one.name in subscription.names]
        return list(subscription.accepted) == list(wanted)

    def _wanted(self, type_url: str, snapshot: Snapshot) -> Sequence[Message] | None:
        subscription = self._subscriptions.get(type_url)
        if subscription is None or type_url not in snapshot:
            return None
        everything = snapshot[type_url]
        return [one for one in everything if one.name in subscription.names] if type_url in _BY_NAME else list(everything)
