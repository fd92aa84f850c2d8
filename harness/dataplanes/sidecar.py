"""One Envoy beside every pod, set up as Istio sets up its sidecars: in plaintext, and with mutual TLS."""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path

from harness.dataplanes.envoy_restart import restart
from harness.dataplanes.port import (
    NO_ROUTING,
    Attachment,
    Component,
    DataPlaneError,
    Feature,
    No,
    NotConverged,
    RestartKind,
    Revision,
    Support,
    Yes,
    network_policies,
    unrouted,
)
from harness.envoy import configuration
from harness.envoy.certificates import Authority, spiffe_id
from harness.envoy.delivery import await_version, refusals, write_json, write_listeners
from harness.envoy.errors import EnvoyError, NotAccepted
from harness.envoy.evidence import Denials
from harness.envoy.listeners import Sidecar
from harness.envoy.process import BOOTSTRAP_FILE, COMPONENT, PodProxy
from harness.envoy.redirect import INBOUND_SOURCE, PROXY_ID, REMOVAL, ruleset
from harness.envoy.selection import Selection
from harness.envoy.tls import Credentials
from harness.envoy.tuning import BEST, Tuning, parse
from harness.lab.port import Lab, LabError, LabPod
from harness.model.cilium import Policy
from harness.model.flow import Evidence, Flow, Verdict
from harness.model.policy import NetworkPolicy
from harness.model.routing import Routing
from harness.model.topology import Pod

READY_SECONDS = 60.0
"""For all Envoys of a lab together; a pair takes about 0.6 s of two cores."""

CONVERGENCE_SECONDS = 30.0

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
        self._policies: Sequence[NetworkPolicy] = ()
        self._folders = count()
        self._addresses: set[str] = set()
        self._sidecars: dict[PodProxy, Sidecar] = {}
        self._denials: dict[PodProxy, Denials] = {}
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
        # a short name: paths of Unix sockets below it have 107 bytes, and a tuned plane's name is long
        self._folder = Path(tempfile.mkdtemp(prefix="envoy-", dir=lab.folder))
        self._folder.chmod(0o755)
        self._authority = Authority(lab.name) if encrypted else None
        for pod in lab.pods:
            self._prepare(pod)
        self._hand_over(())

    def _prepare(self, pod: LabPod) -> PodProxy:
        folder, tuning = self._folder / str(next(self._folders)), self._tuning
        folder.mkdir()
        credentials = None
        if self._authority is not None:
            issued = self._authority.issue(spiffe_id(pod.pod.namespace, pod.pod.name))
            credentials = configuration.write_credentials(folder, issued, self._authority.certificate)
        sidecar = self._described(pod, credentials)
        write_json(folder / BOOTSTRAP_FILE, configuration.bootstrap_of(pod.pod, folder, sidecar))
        for path in (folder, *folder.iterdir()):
            os.chown(path, PROXY_ID, PROXY_ID)
        proxy = PodProxy(pod, folder, tuning, self._spawner)
        self._sidecars[proxy] = sidecar
        self._denials[proxy] = Denials(folder)
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
        self._start(list(self._sidecars))

    def _start(self, proxies: Sequence[PodProxy]) -> None:
        for proxy in proxies:
            proxy.start()
        deadline = time.monotonic() + READY_SECONDS
        for proxy in proxies:
            proxy.await_ready(deadline - time.monotonic())
        await_version(dict.fromkeys(proxies, 0), str(self._revision), deadline - time.monotonic())
        self._each(proxies, lambda proxy: _nft(proxy, REDIRECT, ruleset(proxy.pod.pod.annotations)))

    def stop(self) -> None:
        """Give the traffic back to the pods, then end every Envoy."""

        def unredirect(proxy: PodProxy) -> None:
            with suppress(LabError):  # never redirected: attaching failed before
                _nft(proxy, UNREDIRECT, REMOVAL)

        self._each(self._sidecars, unredirect)
        self._each(self._sidecars, PodProxy.stop)
        self._spawner.shutdown()

    def forget(self) -> None:
        """Remove configuration, keys and logs; kept where attaching failed, as the error names them."""
        shutil.rmtree(self._folder)

    def _hand_over(self, policies: Sequence[NetworkPolicy]) -> None:
        selection = Selection(self._lab.topology)
        for proxy, sidecar in self._sidecars.items():
            built = configuration.listeners_of(proxy.pod.pod, proxy.folder, sidecar, policies, selection)
            write_listeners(proxy.folder, str(self._revision), built)

    def apply(self, policies: Sequence[Policy], routing: Routing = NO_ROUTING) -> Revision:
        unrouted(routing, self._plane)
        return self._change(network_policies(policies, self._plane), ())

    def pods_changed(self, added: Sequence[LabPod], removed: Sequence[Pod]) -> Revision:
        """The Envoys of removed pods are gone with those; what is told of the pods' addresses and identities is told to all."""
        for proxy in [proxy for proxy in self._sidecars if proxy.pod not in self._lab.pods]:
            proxy.stop()
            del self._sidecars[proxy], self._denials[proxy]
            shutil.rmtree(proxy.folder)
        for proxy, sidecar in self._sidecars.items():
            self._sidecars[proxy] = self._described(proxy.pod, sidecar.credentials)
        try:
            new = [self._prepare(pod) for pod in added]
        except (EnvoyError, OSError) as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None
        return self._change(self._policies, new)

    def _change(self, policies: Sequence[NetworkPolicy], new: Sequence[PodProxy]) -> Revision:
        """Hand ``policies`` over to all Envoys, of which those of ``new`` are to be started."""
        begun = time.monotonic()
        self._revision += 1
        try:
            refused = refusals(proxy for proxy in self._sidecars if proxy not in new)
            self._hand_over(policies)
            self._start(new)
            await_version(refused, str(self._revision), CONVERGENCE_SECONDS)
        except NotAccepted as error:
            raise NotConverged(f"{self._plane}: {error}") from None
        except (EnvoyError, LabError, OSError, ValueError) as error:
            raise DataPlaneError(f"{self._plane}: {error}") from None
        self._policies = policies
        for denials in self._denials.values():
            denials.forget()
        return Revision(self._revision, time.monotonic() - begun)

    def evidence(self, flow: Flow) -> Evidence | None:
        """Egress is judged at the client's sidecar, and first; ingress at the server's. Only the present revision counts."""
        source, destination = self._proxy(flow.source), self._proxy(flow.destination)
        addresses = source.pod.pod.ip(flow.family), destination.pod.pod.ip(flow.family)
        for proxy in (source, destination):
            denial = self._denials[proxy].latest(*addresses, flow.port)
            if denial is not None:
                detail = f"{denial.direction} of {proxy.pod.pod.ref}" + (f", peer {denial.peer}" if denial.peer else "")
                return Evidence(self._plane, denial.details, detail=detail)
        return None

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


def _nft(proxy: PodProxy, script: str, ruleset: str) -> None:
    """Address and rules in one process a pod: at a hundred pods, processes are what attaching costs."""
    proxy.pod.run(["sh", "-c", script], stdin=ruleset)


class SidecarPlane:
    """Envoy sidecars, with or without mutual TLS between them."""

    def __init__(self, name: str, title: str, *, encrypted: bool, tuning: Tuning = BEST) -> None:
        self.name = name
        self.title = title
        self._encrypted = encrypted
        self._tuning = tuning

    def tuned(self, settings: str) -> "SidecarPlane":
        name, title = f"{self.name}@{settings}", f"{self.title} ({settings})"
        return SidecarPlane(name, title, encrypted=self._encrypted, tuning=parse(settings))

    def supports(self, feature: Feature) -> Support:
        rejected = Yes(denies=Verdict.REJECTED)
        redirect = "REDIRECT captures TCP only: other protocols pass the sidecar by"
        answers: dict[Feature, Support] = {
            Feature.POLICY_TCP: rejected,
            Feature.POLICY_UDP: No(redirect),
            Feature.POLICY_ICMP: No(redirect),
            Feature.POLICY_CIDR: rejected,
            Feature.POLICY_CILIUM: No("CiliumNetworkPolicy is not compiled for sidecars"),
            Feature.POLICY_DENY: No("explicit denials are CiliumNetworkPolicy's"),
            Feature.POLICY_HTTP: No("rules about requests are CiliumNetworkPolicy's"),
            Feature.POLICY_KAFKA: No("rules about requests are CiliumNetworkPolicy's"),
            Feature.IPV6: Yes(),
            Feature.REVOKE_OPEN_CONNECTIONS: rejected,
            Feature.ENCRYPTION: Yes() if self._encrypted else No("this is the plaintext variant; sidecar-mtls encrypts"),
            Feature.L7_HTTP: Yes(),
            Feature.L7_ROUTING: No("sidecars pass requests on to where they were meant to go; there are no Services"),
            Feature.L7_TRAFFIC: No("BackendTrafficPolicies are about requests to Services, and there are none"),
            Feature.HOT_RESTART: Yes(),
            Feature.SAME_NODE_FAST_PATH: No("both sidecars are passed on one node too"),
        }
        return answers[feature]

    @contextmanager
    def attach(self, lab: Lab) -> Iterator[Attachment]:
        try:
            attachment = SidecarAttachment(self.name, lab, self._tuning, encrypted=self._encrypted)
        except (EnvoyError, OSError) as error:
            raise DataPlaneError(f"{self.name}: {error}") from None
        try:
            attachment.start()
        except (EnvoyError, LabError, OSError, ValueError) as error:
            attachment.stop()
            raise DataPlaneError(f"{self.name}: {error}") from None
        except BaseException:
            attachment.stop()
            raise
        try:
            yield attachment
        finally:
            attachment.stop()
            attachment.forget()


DATA_PLANES = (
    SidecarPlane("sidecar", "Envoy sidecars", encrypted=False),
    SidecarPlane("sidecar-mtls", "Envoy sidecars with mutual TLS", encrypted=True),
)
