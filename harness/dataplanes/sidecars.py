"""The sidecars of all pods of a lab: fed, started, and told of every change of policies, routes and pods."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from harness.dataplanes.envoy_restart import restart
from harness.dataplanes.port import (
    NO_ROUTING,
    Component,
    DataPlaneError,
    NotConverged,
    RestartKind,
    Revision,
)
from harness.dataplanes.request_law import blamed, check_routing, written_down
from harness.dataplanes.revoked import Revoked
from harness.dataplanes.routed import NO_FRONTS, Fronts
from harness.dataplanes.sidecar_law import Law, PodLaw, law
from harness.dataplanes.sidecar_telling import SidecarTelling, View
from harness.envoy import configuration
from harness.envoy.certificates import Authority, spiffe_id
from harness.envoy.delivery import write_json
from harness.envoy.errors import EnvoyError, NotAccepted
from harness.envoy.evidence import Denials
from harness.envoy.listeners import Sidecar
from harness.envoy.process import BOOTSTRAP_FILE, COMPONENT, PodProxy
from harness.envoy.records import await_written
from harness.envoy.redirect import INBOUND_SOURCE, PROXY_ID, REMOVAL, ruleset
from harness.envoy.request_denials import RefusedRequests
from harness.envoy.sidecar_requests import RECORDS, refusing_also
from harness.envoy.tls import Credentials
from harness.envoy.tuning import Tuning
from harness.lab.port import Lab, LabError, LabPod
from harness.lab.service_addresses import service_addresses
from harness.lab.sockets import end_connections
from harness.mesh.errors import MeshError
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow
from harness.model.routing import Routing
from harness.model.topology import Pod

READY_SECONDS = 60.0
"""For all Envoys of a lab together; a pair takes about 0.6 s of two cores."""

SOCKET = "xds.sock"
PARALLEL = 8
"""Pods prepared at a time: each step is a short command, so that more would only queue for the cores."""

REDIRECT = f"ip -6 address replace {INBOUND_SOURCE[6]}/128 dev lo && exec nft -f -"
UNREDIRECT = f"ip -6 address delete {INBOUND_SOURCE[6]}/128 dev lo; exec nft -f -"


class SidecarAttachment:
    """Sidecars in force on a lab."""

    def __init__(self, plane: str, lab: Lab, tuning: Tuning, *, encrypted: bool) -> None:
        self._plane = plane
        self._lab = lab
        self._revision = 0
        self._tuning = tuning
        self._encrypted = encrypted
        self._policies: Sequence[Policy] = ()
        self._fronts = NO_FRONTS
        self._law = Law()
        self._folders = count()
        self._addresses: set[str] = set()
        self._sidecars: dict[PodProxy, Sidecar] = {}
        self._denials: dict[PodProxy, Denials] = {}
        self._refused: dict[PodProxy, RefusedRequests] = {}
        self._revoked = Revoked()
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
        # a short name: paths of Unix sockets below it have 107 bytes, and a tuned plane's name is long
        self._folder = Path(tempfile.mkdtemp(prefix="envoy-", dir=lab.folder))
        self._folder.chmod(0o755)
        self._telling = SidecarTelling(self._folder / SOCKET, tuning.concurrency)
        self._authority = Authority(lab.name) if encrypted else None
        for pod in lab.pods:
            self._prepare(pod)

    def _prepare(self, pod: LabPod) -> PodProxy:
        folder, tuning = self._folder / str(next(self._folders)), self._tuning
        (folder / RECORDS).mkdir(parents=True)
        credentials = None
        if self._authority is not None:
            issued = self._authority.issue(spiffe_id(pod.pod.namespace, pod.pod.name))
            credentials = configuration.write_credentials(folder, issued, self._authority.certificate)
        sidecar = self._described(pod, credentials)
        write_json(folder / BOOTSTRAP_FILE, configuration.bootstrap_of(pod.pod, folder, sidecar, self._telling.server.path))
        for path in (folder, *folder.iterdir()):
            os.chown(path, PROXY_ID, PROXY_ID)
        proxy = PodProxy(pod, folder, tuning, self._spawner)
        self._sidecars[proxy] = sidecar
        self._denials[proxy] = Denials(folder)
        self._refused[proxy] = RefusedRequests(folder / RECORDS)
        return proxy

    def _described(self, pod: LabPod, credentials: Credentials | None) -> Sidecar:
        """What the pod's sidecar is told of the cluster.

        An address of a pod that went stays there: it hurts nobody, and a changed list cuts every connection of every pod.
        """
        self._addresses.update(ip for each in self._lab.pods for ip in each.pod.ips)
        sidecar = configuration.sidecar_of(pod.pod, self._lab.topology, self._tuning, credentials)
        return replace(sidecar, mesh_addresses=tuple(sorted(self._addresses)))

    def _each(self, proxies: Iterable[PodProxy], step: Callable[[PodProxy], None]) -> None:
        """One step at each proxy, several at a time; the first error is raised when all are through."""
        with ThreadPoolExecutor(PARALLEL) as pool:
            outcomes = [pool.submit(step, proxy) for proxy in proxies]
        for outcome in outcomes:
            outcome.result()

    def start(self) -> None:
        """Start every Envoy, wait until all serve, then send them the pods' traffic."""
        self._law = self._ruled(())
        self._telling.tell(self._views(self._law), lambda: self._start(list(self._sidecars)), self._sidecars)
        self._capture(self._sidecars)

    def _start(self, proxies: Sequence[PodProxy]) -> None:
        for proxy in proxies:
            proxy.start()
        deadline = time.monotonic() + READY_SECONDS
        for proxy in proxies:
            proxy.await_ready(deadline - time.monotonic())

    def _capture(self, proxies: Iterable[PodProxy]) -> None:
        self._each(proxies, lambda proxy: _nft(proxy, REDIRECT, ruleset(proxy.pod.pod.annotations)))

    def stop(self) -> None:
        """Give the traffic back to the pods, then end every Envoy."""

        def unredirect(proxy: PodProxy) -> None:
            with suppress(LabError):  # never redirected: attaching failed before
                _nft(proxy, UNREDIRECT, REMOVAL)

        self._each(self._sidecars, unredirect)
        self._each(self._sidecars, PodProxy.stop)
        self._telling.server.close()
        self._spawner.shutdown()

    def forget(self) -> None:
        """Remove configuration, keys and logs; kept where attaching failed, as the error names them."""
        shutil.rmtree(self._folder)

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        """As the port says. Services have the addresses that ``service_addresses`` of the lab's topology gives them."""
        for origin in (each.origin for some in (routing.gateways, routing.traffic_policies) for each in some):
            raise DataPlaneError(f"{origin}: {self._plane} has no Gateways and traffic policies; leave it out")
        check_routing(routing, self._plane)
        try:
            fronts = Fronts(routing, service_addresses(routing.services, self._lab.topology))
        except LabError as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None
        return self._change(policies, fronts, ())

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        """The Envoys of removed pods are gone with those; what is told of the pods' addresses and identities is told to all."""
        for proxy in [proxy for proxy in self._sidecars if proxy.pod not in self._lab.pods]:
            proxy.stop()
            del self._sidecars[proxy], self._denials[proxy], self._refused[proxy]
            self._telling.forget(proxy)
            shutil.rmtree(proxy.folder)
        for proxy, sidecar in self._sidecars.items():
            self._sidecars[proxy] = self._described(proxy.pod, sidecar.credentials)
        try:
            new = [self._prepare(pod) for pod in added]
        except (EnvoyError, OSError) as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None
        revision = self._change(self._policies, self._fronts, new)
        if self._law.judging:
            self._part([ip for pod in removed for ip in pod.ips])
        return revision

    def _part(self, addresses: Sequence[str]) -> None:
        """End what sidecars keep open to pods that are gone."""
        try:
            for proxy in self._sidecars:
                with proxy.pod.entered():
                    end_connections(addresses)
        except LabError as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None

    def _ruled(self, policies: Sequence[Policy], fronts: Fronts = NO_FRONTS, *, judging: bool = False) -> Law:
        topology, judging = self._lab.topology, judging or self._law.judging
        return law(policies, fronts, topology, self._plane, encrypted=self._encrypted, judging=judging)

    def _views(self, said: Law, former: Law | None = None) -> dict[PodProxy, View]:
        """What each sidecar is told so that it does what ``said`` says, and refuses what ``former`` refuses too."""
        views = {}
        for proxy, sidecar in self._sidecars.items():
            ref = proxy.pod.pod.ref
            mine = said.pods.get(ref, PodLaw())
            asked, connections = mine.asked(self._revision) if said.judging else None, mine.connections
            before = None if former is None else former.pods.get(ref)
            if before is not None:
                connections = connections.refusing_also(before.connections)
                if asked is not None:
                    asked = refusing_also(asked, before.asked(self._revision - 1))
            views[proxy] = View(sidecar, connections, asked)
        return views

    def _change(self, policies: Sequence[Policy], fronts: Fronts, new: Sequence[PodProxy]) -> Revision:
        """Put ``policies`` and routes in force at all Envoys, of which those of ``new`` are to be started.

        Where requests are judged, first all refuse what either policy does: else one of the two ends may go by the new
        one already, and the other by the old one still, and what both policies refuse would get through.
        """
        begun = time.monotonic()
        try:
            ruled = self._ruled(policies, fronts)
            if ruled.judging and not self._law.judging:
                self._law = self._ruled(self._policies, self._fronts, judging=True)
        except MeshError as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None
        self._revision += 1
        running = [proxy for proxy in self._sidecars if proxy not in new]
        try:
            if ruled.judging:
                self._telling.tell(_of(self._views(ruled, self._law), running))
            self._telling.tell(self._views(ruled), lambda: self._start(new), new)
            self._capture(new)
            if ruled.judging:
                self._revoked.sweep([proxy.pod for proxy in self._sidecars], ruled)
        except NotAccepted as error:
            self._restore(running)
            said = blamed(error, [each.requests for each in ruled.pods.values()])
            raise NotConverged(f"{self._plane}: {said}") from None
        except (EnvoyError, LabError, OSError, ValueError) as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None
        self._policies, self._fronts, self._law = policies, fronts, ruled
        for proxy in self._sidecars:
            self._denials[proxy].forget()
            self._refused[proxy].forget()
        return Revision(self._revision, time.monotonic() - begun)

    def _restore(self, running: Sequence[PodProxy]) -> None:
        """Tell the sidecars again what was in force."""
        self._revision += 1
        with suppress(EnvoyError, LabError, OSError):
            self._telling.tell(_of(self._views(self._law), running))

    def evidence(self, flow: Flow) -> Evidence | None:
        """Egress is judged at the client's sidecar, and first; ingress at the server's. Only the present revision counts."""
        source, destination = self._proxy(flow.source), self._proxy(flow.destination)
        addresses = source.pod.pod.ip(flow.family), destination.pod.pod.ip(flow.family)
        for proxy in (source, destination):
            found = self._refusal(proxy, flow, *addresses)
            if found is not None:
                return found
            denial = self._denials[proxy].latest(*addresses, flow.port)
            if denial is not None:
                detail = f"{denial.direction} of {proxy.pod.pod.ref}" + (f", peer {denial.peer}" if denial.peer else "")
                return Evidence(self._plane, denial.details, detail=detail)
        ended = self._revoked.said(*addresses, flow.port)
        return None if ended is None else Evidence(self._plane, "revoked", detail=ended)

    def _refusal(self, proxy: PodProxy, flow: Flow, source: str, destination: str) -> Evidence | None:
        """What the sidecar recorded of a refused request."""
        if not self._law.judging:
            return None
        records = self._refused[proxy]
        await_written(records, proxy)
        passed = 1 if proxy.pod.pod.ref == flow.source else 2
        asked = written_down(flow.request, normalised_times=passed * self._tuning.normalize_path)
        found = records.latest(source, destination, flow.port, asked)
        if found is None:
            return None
        rule = self._law.pods[proxy.pod.pod.ref].requests.origins(self._revision).get(found.policy)
        where = f"{found.direction}, at the sidecar of {proxy.pod.pod.ref}: {found.method} {found.path}"
        return Evidence(self._plane, "rbac_access_denied", str(rule) if rule else None, where)

    def _proxy(self, ref: str) -> PodProxy:
        for proxy in self._sidecars:
            if proxy.pod.pod.ref == ref:
                return proxy
        raise DataPlaneError(f"{self._plane}: no pod {ref} in topology {self._lab.topology.name}")

    def components(self) -> Sequence[Component]:
        return [Component(COMPONENT, proxy.pod, proxy.pids) for proxy in self._sidecars]

    def restart(self, component: str, how: RestartKind) -> None:
        """``component`` is ``proxy`` for every sidecar, one after another, or ``namespace/name`` for that pod's."""
        chosen = list(self._sidecars) if component == COMPONENT else [self._proxy(component)]
        for proxy in chosen:
            try:
                restart(proxy, how)
            except (EnvoyError, LabError) as error:
                raise DataPlaneError(f"{self._plane}: {how} restart failed: {error}") from None


def _of(views: dict[PodProxy, View], proxies: Iterable[PodProxy]) -> dict[PodProxy, View]:
    return {proxy: views[proxy] for proxy in proxies}


def _nft(proxy: PodProxy, script: str, ruleset: str) -> None:
    """Address and rules in one process a pod: at a hundred pods, processes are what attaching costs."""
    proxy.pod.run(["sh", "-c", script], stdin=ruleset)
