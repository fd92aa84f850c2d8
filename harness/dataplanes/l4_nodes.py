"""The Envoys for TCP of all nodes of a lab: fed, started, and told of every change of policies and pods."""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from itertools import count
from pathlib import Path
from threading import Lock

from harness.envoy import l4_redirect
from harness.envoy.ads import AdsServer
from harness.envoy.certificates import Authority, spiffe_id
from harness.envoy.configuration import write_credentials
from harness.envoy.l4_envoy import L4Envoy
from harness.envoy.l4_policy import PodFilters, pod_filters
from harness.envoy.l4_resources import ACCEPTED_MARK, LocalPod, NodeView, declared_ports
from harness.envoy.l4_tuning import L4Tuning
from harness.envoy.rbac_verdict import Connection, allows
from harness.envoy.redirect import PROXY_ID
from harness.envoy.selection import Selection
from harness.envoy.tls import Credentials
from harness.lab.port import Lab, LabError, LabNode, LabPod
from harness.lab.sockets import Held, end_connections, end_marked
from harness.model.policy import NetworkPolicy

READY_SECONDS = 60.0
CONVERGENCE_SECONDS = 30.0
SOCKET = "xds.sock"


class L4Nodes:
    """One Envoy a node. Methods raise EnvoyError and LabError."""

    def __init__(self, lab: Lab, tuning: L4Tuning) -> None:
        # a short name: paths of Unix sockets below it have 107 bytes
        self.folder = Path(tempfile.mkdtemp(prefix="envoy-", dir=lab.folder))
        self.folder.chmod(0o755)
        self._lab = lab
        self._tuning = tuning
        self._authority = Authority(lab.name)
        self._credentials: dict[LabPod, Credentials] = {}
        self._numbers = count()
        self._spawner = ThreadPoolExecutor(max_workers=1, thread_name_prefix="spawner")
        self._server = AdsServer(self.folder / SOCKET)
        (self.folder / SOCKET).chmod(0o666)
        self._ended: dict[Connection, str] = {}
        self._writing = Lock()
        self._members: dict[L4Envoy, str] = {}
        self._recognise(lab.pods)
        judged = self._judged(())
        self.envoys = [self._made(node, self._view(node, judged)) for node in lab.nodes]

    def start(self) -> None:
        """Start every Envoy; when all serve, have the nodes hand them their pods' TCP."""
        self._each(lambda envoy: envoy.start(READY_SECONDS))

        def redirect(envoy: L4Envoy) -> None:
            self._members[envoy] = _members(envoy.node)
            rules = l4_redirect.ruleset(name for name, _ in envoy.node.wires.values()) + self._members[envoy]
            envoy.node.run(["sh", "-c", l4_redirect.attach_script()], stdin=rules)

        self._each(redirect)

    def stop(self) -> None:
        """Give the pods' TCP back, and end every Envoy."""

        def release(envoy: L4Envoy) -> None:
            with suppress(LabError):
                envoy.node.run(["sh", "-c", l4_redirect.detach_script()], check=False)
            envoy.stop()

        try:
            self._each(release)
        finally:
            self._server.close()
            self._spawner.shutdown()

    def enforce(self, policies: Sequence[NetworkPolicy], gone: Iterable[str] = ()) -> None:
        """Judge by ``policies`` from now on, new connections and open ones, of the pods that the lab has now.

        First every Envoy judges new connections so; then those open ones are ended that it does not allow, and those of the
        addresses ``gone``.
        """
        self._recognise(self._lab.pods)
        judged = self._judged(policies)

        def tell(envoy: L4Envoy) -> None:
            members = _members(envoy.node)
            if members != self._members[envoy]:
                envoy.node.run(["nft", "-f", "-"], stdin=members)
                self._members[envoy] = members
            envoy.tell(self._view(envoy.node, judged), CONVERGENCE_SECONDS)

        self._each(tell)
        for envoy in self.envoys:
            envoy.forget_denials()
            envoy.node.run(["nft", "-f", "-"], stdin=l4_redirect.FORGET)
        self._ended.clear()
        former = list(gone)
        self._each(lambda envoy: self._sweep(envoy, judged, former))

    def ended(self, connection: Connection) -> str | None:
        """Where, and by whose rules, the change now in force ended a connection that was open."""
        return self._ended.get(connection)

    def known(self, kind: str, connection: Connection) -> LabNode | None:
        """The node whose rules dropped or reset (``kind``, of l4_redirect) a packet of such a connection."""
        question = l4_redirect.question(kind, connection.source, connection.destination, connection.port)
        for envoy in self.envoys:
            if envoy.node.run(question, check=False).status == 0:
                return envoy.node
        return None

    def _made(self, node: LabNode, view: NodeView) -> L4Envoy:
        return L4Envoy(node, self._new_folder(), self._server, self._tuning, self._spawner, view)

    def _recognise(self, pods: Sequence[LabPod]) -> None:
        """Give an identity to each pod that has none, and forget those of pods that are gone."""
        for pod in [pod for pod in self._credentials if pod not in pods]:
            shutil.rmtree(self._credentials.pop(pod).key.parent)
        for pod in pods:
            if pod not in self._credentials:
                folder = self._new_folder()
                issued = self._authority.issue(spiffe_id(pod.pod.namespace, pod.pod.name))
                self._credentials[pod] = write_credentials(folder, issued, self._authority.certificate)
                for path in (folder, *folder.iterdir()):
                    os.chown(path, PROXY_ID, PROXY_ID)

    def _new_folder(self) -> Path:
        folder = self.folder / str(next(self._numbers))
        folder.mkdir()
        return folder

    def _judged(self, policies: Sequence[NetworkPolicy]) -> dict[LabPod, PodFilters]:
        selection = Selection(self._lab.topology)
        return {pod: pod_filters(pod.pod, policies, selection) for pod in self._lab.pods}

    def _view(self, node: LabNode, judged: dict[LabPod, PodFilters]) -> NodeView:
        own = tuple(LocalPod(pod.pod, self._credentials[pod], judged[pod]) for pod in node.pods)
        remote = tuple(ip for other in self._lab.nodes if other is not node for pod in other.pods for ip in pod.pod.ips)
        return NodeView(own, remote, declared_ports(self._lab.topology.pods, self._tuning))

    def _sweep(self, envoy: L4Envoy, judged: dict[LabPod, PodFilters], gone: Sequence[str]) -> None:
        """End what is open on a node and no longer allowed. Only sockets that Envoy accepted are looked at: the flow's own."""
        local = {ip: pod for pod in envoy.node.pods for ip in pod.pod.ips}

        def refused(held: Held) -> bool:
            connection = Connection(held.remote, held.local, held.local_port)
            source, destination = local.get(connection.source), local.get(connection.destination)
            if source is not None and not allows(judged[source].egress, connection):
                by = f"egress of {source.pod.ref}"
            elif destination is not None and not allows(judged[destination].ingress_by_address, connection):
                by = f"ingress of {destination.pod.ref}"
            else:
                return False
            with self._writing:
                self._ended[connection] = f"{by} on node {envoy.node.name}"
            return True

        with envoy.node.entered():
            end_marked(ACCEPTED_MARK, refused)
            end_connections(gone)

    def _each(self, step: Callable[[L4Envoy], None]) -> None:
        """One step at each Envoy, all at once; the first error is raised when all are through."""
        with ThreadPoolExecutor(max(1, len(self.envoys))) as pool:
            outcomes = [pool.submit(step, envoy) for envoy in self.envoys]
        for outcome in outcomes:
            outcome.result()


def _members(node: LabNode) -> str:
    return l4_redirect.members((ip, pod.host_ifname) for pod in node.pods for ip in pod.pod.ips)
