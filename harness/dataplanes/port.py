"""The port that every data plane stands behind."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from harness.lab.port import Lab, LabPod, Place
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.policy import NetworkPolicy
from harness.model.route import Gateway, Route
from harness.model.routing import Routing
from harness.model.service import Service
from harness.model.topology import Pod
from harness.model.traffic import BackendTrafficPolicy


class Feature(StrEnum):
    """What a scenario may ask of a data plane."""

    POLICY_TCP = "policy-tcp"
    POLICY_UDP = "policy-udp"
    POLICY_ICMP = "policy-icmp"
    POLICY_CIDR = "policy-cidr"
    IPV6 = "ipv6"
    REVOKE_OPEN_CONNECTIONS = "revoke-open-connections"
    POLICY_CILIUM = "policy-cilium"  # CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy
    POLICY_DENY = "policy-deny"  # rules that deny, above all that allow
    POLICY_HTTP = "policy-http"  # rules about requests of HTTP
    POLICY_KAFKA = "policy-kafka"  # rules about requests of Kafka
    ENCRYPTION = "encryption"  # of pod-to-pod traffic
    L7_HTTP = "l7-http"  # requests are parsed
    L7_ROUTING = "l7-routing"  # requests to Services go where routes of Gateway API say
    L7_GATEWAYS = "l7-gateways"  # ... and those that come from outside of the cluster to Gateways
    L7_TRAFFIC = "l7-traffic"  # circuits break, backends are ejected, requests delayed, limited … as BackendTrafficPolicy says
    HOT_RESTART = "hot-restart"
    SAME_NODE_FAST_PATH = "same-node-fast-path"


@dataclass(frozen=True, slots=True)
class Yes:
    """The feature is claimed: a plane that claims it and fails, fails. ``denies`` is how a denial shows at the client."""

    denies: Verdict | None = None


@dataclass(frozen=True, slots=True)
class No:
    """Not supported, and why; counts in the report."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Whether the feature works here could not be found out."""

    error: str


Support = Yes | No | Unknown


class DataPlaneError(Exception):
    """A data plane could not be attached or run: what, where, and what to do, in one line."""


def network_policies(policies: Sequence[Policy], plane: str) -> list[NetworkPolicy]:
    """``policies``, for a plane that enforces no others. Raises DataPlaneError naming the first that it cannot enforce."""
    for policy in policies:
        if not isinstance(policy, NetworkPolicy):
            raise DataPlaneError(f"{policy.origin}: {plane} enforces no CiliumNetworkPolicy; leave it out, or the data plane")
    return [policy for policy in policies if isinstance(policy, NetworkPolicy)]


NO_ROUTING = Routing()
"""Neither Services nor routes."""


def unrouted(routing: Routing, plane: str) -> None:
    """Raises DataPlaneError naming the first object of ``routing``, for a plane that has neither Services nor routes."""
    objects: list[Route | Gateway | Service | BackendTrafficPolicy] = [
        *routing.http_routes,
        *routing.grpc_routes,
        *routing.gateways,
        *routing.services,
        *routing.traffic_policies,
    ]
    for each in objects:
        kind, name = type(each).__name__, f"{each.namespace}/{each.name}"
        raise DataPlaneError(f"{each.origin}: {plane} has no Services and routes; leave {kind} {name} out, or the data plane")


class NotConverged(DataPlaneError):
    """A change was handed over but is not known to be enforced."""


@dataclass(frozen=True, slots=True)
class Revision:
    """Policies and routes that are in force. ``seconds`` is from the call to enforcement."""

    number: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Component:
    """A part of the data plane that costs something. ``place`` and ``name`` give its cgroup: ``place.component_cgroup(name)``.

    A component without processes of its own (BPF programs, kernel rules) has ``place`` None;
    ``programs`` then holds the ids of its BPF programs in the kernel.
    """

    name: str
    place: Place | None = None
    pids: tuple[int, ...] = ()
    programs: tuple[int, ...] = ()


class RestartKind(StrEnum):
    """How a component is restarted."""

    HOT = "hot"  # a new process takes over the sockets of the old one
    COLD = "cold"  # stop, then start
    KILL = "kill"  # SIGKILL, then start


class Attachment(Protocol):
    """A data plane that is in force on a lab. Entered by ``DataPlane.attach``; left, nothing of it remains."""

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        """Enforce exactly these policies, and route requests as ``routing`` says.

        Returns when both are so, or raises NotConverged; DataPlaneError, before anything is changed, where the plane cannot.
        """
        ...

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        """Follow the lab, whose pods are others now; returns when the policies are in force for them, or raises NotConverged.

        ``removed`` are gone already. ``added`` are made and not connected yet (``Lab.connect``): nothing reaches them or
        leaves them before this returns. One may have the address of one that was removed: of what was known of that one,
        nothing may serve it. Allowed traffic of all other pods goes on.
        """
        ...

    def evidence(self, flow: Flow) -> Evidence | None:
        """What the plane itself recorded of the latest denial of ``flow``, or None."""
        ...

    def components(self) -> Sequence[Component]: ...

    def restart(self, component: str, how: RestartKind) -> None:
        """Raises DataPlaneError where the plane cannot restart it in that manner."""
        ...


class DataPlane(Protocol):
    """One way of connecting pods. Modules of this package list theirs in ``DATA_PLANES``."""

    @property
    def name(self) -> str:
        """As in ``--dataplane NAME``."""
        ...

    @property
    def title(self) -> str:
        """A few words for a reader of the report."""
        ...

    def supports(self, feature: Feature) -> Support: ...

    def attach(self, lab: Lab) -> AbstractContextManager[Attachment]: ...


@runtime_checkable
class Tunable(Protocol):
    """A data plane whose settings can be chosen, so that a sweep can find its best ones."""

    def tuned(self, settings: str) -> DataPlane:
        """The same plane with other settings, called ``name@settings``. Raises ValueError saying what there is to choose."""
        ...


@runtime_checkable
class CountsPaths(Protocol):
    """An attachment that counts which path requests took, and why."""

    def path_counts(self) -> Mapping[str, int]:
        """How many so far, by the names of ``NamesPaths``."""
        ...


@runtime_checkable
class NamesPaths(Protocol):
    """A data plane with several paths for requests, whose attachments count which one they took."""

    def paths(self) -> Mapping[str, str]:
        """What each count is of, by its name, in the order in which they are read."""
        ...
