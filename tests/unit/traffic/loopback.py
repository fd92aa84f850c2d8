"""What loads need, on this machine's loopback: a pod, and a server that stalls."""

import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

from harness.lab.build import c_program
from harness.lab.port import Completed, LabError
from harness.model.topology import Pod

STALLING = Path(__file__).resolve().parents[2] / "servers" / "stalling.c"


class LocalProcess:
    def __init__(self, argv: Sequence[str], log: Path, env: Mapping[str, str] | None) -> None:
        self.log = log
        with log.open("wb") as output:
            self.child = subprocess.Popen(argv, stdout=output, stderr=output, stdin=subprocess.DEVNULL, env=env)
        self.pid = self.child.pid

    def poll(self) -> int | None:
        return self.child.poll()

    def wait(self, seconds: float) -> int:
        try:
            return self.child.wait(seconds)
        except subprocess.TimeoutExpired:
            raise TimeoutError(f"process {self.pid} did not end within {seconds} s") from None

    def signal(self, number: int) -> None:
        self.child.send_signal(number)

    def stop(self, grace: float = 2.0) -> None:
        self.child.terminate()
        self.child.wait(grace)


class LocalPod:
    """What loads use of a LabPod."""

    def __init__(self, folder: Path) -> None:
        self.pod = Pod("local", "test", "n1", ips=("127.0.0.1", "::1"))
        self.started: list[LocalProcess] = []
        self._folder = folder

    def start(self, argv: Sequence[str], *, component: str, env: Mapping[str, str] | None = None) -> LocalProcess:
        try:
            process = LocalProcess(argv, self._folder / f"{component}-{len(self.started)}.log", env)
        except FileNotFoundError:
            raise LabError(f"{argv[0]} is not installed") from None
        self.started.append(process)
        return process

    def run(self, argv: Sequence[str], *, component: str, seconds: float, check: bool, stdin: str | None = None) -> Completed:
        assert not check
        try:
            done = subprocess.run(argv, input=stdin, capture_output=True, text=True, timeout=seconds, check=False)
        except FileNotFoundError:
            raise LabError(f"{argv[0]} is not installed") from None
        return Completed(tuple(argv), done.returncode, done.stdout, done.stderr)

    @contextmanager
    def entered(self) -> Iterator[None]:
        yield


@contextmanager
def stalling(period: float, stall: float) -> Iterator[SimpleNamespace]:
    """tests/servers/stalling.c under way: its ``port``; after the block, its ``stalls`` as (begin, end) in ns."""
    server = subprocess.Popen([c_program(STALLING), str(period), str(stall)], stdout=subprocess.PIPE, text=True)
    assert server.stdout is not None
    seen = SimpleNamespace(port=int(server.stdout.readline()), stalls=[])
    try:
        yield seen
    finally:
        server.kill()
        rest, _ = server.communicate()
        seen.stalls = [tuple(int(word) for word in line.split()) for line in rest.splitlines()]
