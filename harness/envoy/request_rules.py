"""All that an Envoy judges requests by, of both directions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.envoy.admission import Direction, Scope
from harness.envoy.request_headers import Filter, header_filters
from harness.envoy.request_rbac import Matcher, denials


@dataclass(frozen=True, slots=True)
class RequestRules:
    """What is ``refused``, as policies of RBAC by name, and what changes ``headers`` of the rest, as filters in order."""

    refused: Mapping[Direction, Mapping[str, Matcher]]
    headers: Mapping[Direction, Sequence[Filter]]

    def refusing_also(self, former: "RequestRules") -> "RequestRules":
        """These, and what ``former`` refuse too. Their policies have other names."""
        refused = {direction: {**former.refused[direction], **self.refused[direction]} for direction in Direction}
        return RequestRules(refused, self.headers)


def rules_of(scopes: Sequence[Scope], prefix: str = "") -> RequestRules:
    """The rules for ``scopes``; the names of policies begin with ``prefix``."""
    return RequestRules(
        {direction: denials(scopes, direction, prefix) for direction in Direction},
        {direction: header_filters(scopes, direction) for direction in Direction},
    )


NONE = rules_of(())
