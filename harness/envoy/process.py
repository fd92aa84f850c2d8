"""One Envoy, of a pod or of a node: started, made ready, restarted hot or cold, stopped."""

import signal
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Executor
from pathlib import Path

from harness.envoy.admin import Admin
from harness.envoy.binary import envoy_binary
from harness.envoy.bootstrap import ADMIN_SOCKET
from harness.envoy.errors import EnvoyError
from harness.envoy.redirect import PROXY_ID
from harness.envoy.tuning import EnvoyTuning
from harness.lab.port import LabPod, Place, Process

COMPONENT = "proxy"
BOOTSTRAP_FILE = "bootstrap.json"
POLL_SECONDS = 0.02
KILL_SECONDS = 10.0
"""The kernel's time to end a killed process on a busy machine."""

LAST_WORDS = 5
"""How many of Envoy's last lines an error repeats."""

PRIVATE_MEMORY = """
{ mount --make-slave /dev/shm || mount --make-slave /dev || mount --make-slave /; } 2>/dev/null &&
mount -t tmpfs -o size=8m,mode=1777 tmpfs /dev/shm && exec setpriv "$@"
"""
"""Envoy's hot restart shares memory under a host-wide name and leaves it behind when killed. A /dev/shm of its own, as a
container has, keeps two labs apart and is gone with the process. What that is mounted on must not hand the mount on to the
machine; / itself cannot be asked for that in a chroot, where it is no mount point."""

AS_PROXY = (f"--reuid={PROXY_ID}", f"--regid={PROXY_ID}", "--clear-groups")


def command(folder: Path, tuning: EnvoyTuning, epoch: int) -> list[str]:
    """Envoy's command line; ``epoch`` counts hot restarts."""
    options = {
        "--config-path": folder / BOOTSTRAP_FILE,
        "--concurrency": tuning.concurrency,
        "--restart-epoch": epoch,
        "--drain-time-s": tuning.drain_seconds,
        "--drain-strategy": "immediate",
        "--parent-shutdown-time-s": tuning.handover_seconds,
        "--log-level": "warning",
        "--file-flush-min-size-kb": 0,  # a denial is in the log when it happens, not ten seconds later
    }
    return [str(envoy_binary()), *(str(word) for option in options.items() for word in option)]


class Proxy:
    """One Envoy; its configuration lies in ``folder``. Methods raise EnvoyError."""

    def __init__(
        self, place: Place, title: str, folder: Path, tuning: EnvoyTuning, spawner: Executor, capabilities: str = ""
    ) -> None:
        """``title`` is for messages. ``capabilities`` are what it may do beyond a user's rights, as setpriv(1) writes them.

        ``spawner`` is the one thread that starts processes; it must last as long as they.
        Envoy asks the kernel to be ended with its parent, and to the kernel that is the thread which started it.
        """
        self.place = place
        self.folder = folder
        self.admin = Admin(folder / ADMIN_SOCKET)
        self.title = title
        self._tuning = tuning
        rights = (f"--inh-caps={capabilities}", f"--ambient-caps={capabilities}") if capabilities else ()
        self._as_proxy = (*AS_PROXY, *rights, "--")
        self._spawner = spawner
        self._process: Process | None = None
        self._epoch = 0

    @property
    def pids(self) -> tuple[int, ...]:
        """The process that serves; empty when it does not run."""
        return (self._process.pid,) if self._process is not None and self._process.poll() is None else ()

    def start(self) -> None:
        """Start it; returns at once."""
        self._epoch = 0
        wrapper = ["unshare", "--mount", "--propagation", "unchanged", "sh", "-c", PRIVATE_MEMORY, "sh", *self._as_proxy]
        self._process = self._spawn(wrapper)

    def await_ready(self, seconds: float) -> None:
        """Return when it serves."""
        self._await_ready(self._started(), time.monotonic() + seconds)

    def stop(self) -> None:
        """End it, if it runs."""
        if self._process is not None:
            self._process.stop()
            self._process = None

    def kill(self) -> None:
        """SIGKILL, and wait for its end."""
        process = self._started()
        process.signal(signal.SIGKILL)
        process.wait(KILL_SECONDS)

    def hot_restart(self, seconds: float) -> None:
        """A new process takes over the listening sockets; returns when it serves and the old one has ended.

        The old one tells its clients to reconnect while it drains (``Tuning.drain_seconds``).
        """
        deadline = time.monotonic() + seconds
        old = self._started()
        self._epoch += 1
        wrapper = ["nsenter", f"--mount=/proc/{old.pid}/ns/mnt", f"--root=/proc/{old.pid}/root", "setpriv", *self._as_proxy]
        self._process = self._spawn(wrapper)
        try:
            old.wait(max(0.0, deadline - time.monotonic()))
        except TimeoutError:
            old.stop()
            raise EnvoyError(f"{self._where()}: the old process did not end in a hot restart; {self.last_words()}") from None
        self._await_ready(self._process, deadline)

    def _spawn(self, wrapper: Sequence[str]) -> Process:
        argv = [*wrapper, *command(self.folder, self._tuning, self._epoch)]
        return self._spawner.submit(self.place.start, argv, component=COMPONENT).result()

    def _started(self) -> Process:
        if self._process is None:
            raise EnvoyError(f"{self._where()}: not started")
        return self._process

    def _await_ready(self, process: Process, deadline: float) -> None:
        while not self.admin.ready():
            status = process.poll()
            if status is not None:
                raise EnvoyError(f"{self._where()}: ended with status {status} instead of serving; {self.last_words()}")
            if time.monotonic() > deadline:
                raise EnvoyError(f"{self._where()}: not ready in time; {self.last_words()}")
            time.sleep(POLL_SECONDS)

    def _where(self) -> str:
        return f"Envoy of {self.title} ({self.folder / BOOTSTRAP_FILE})"

    def last_words(self) -> str:
        """The end of its log, for messages."""
        if self._process is None:
            return "it said nothing"
        with self._process.log.open(errors="replace") as log:
            lines = [line.strip() for line in deque(log, LAST_WORDS) if line.strip()]
        return f"its last words: {' | '.join(lines)}" if lines else "it said nothing"


class PodProxy(Proxy):
    """The Envoy of one pod."""

    def __init__(self, pod: LabPod, folder: Path, tuning: EnvoyTuning, spawner: Executor) -> None:
        super().__init__(pod, f"pod {pod.pod.ref}", folder, tuning, spawner)
        self.pod = pod
