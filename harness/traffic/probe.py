"""One request, one verdict: what a client in a pod sees of a flow. Sent once; never tried again until it fits."""

from dataclasses import dataclass
from pathlib import Path

from harness.lab.build import c_program
from harness.lab.port import Completed, LabError, LabPod
from harness.model.flow import Flow, Verdict
from harness.traffic.port import LoadFailed
from harness.traffic.tool import failure, not_understood

SOURCE = Path(__file__).with_name("probe.c")
GRACE = 10.0  # seconds beyond its own time limit that a probe may take to end
PATH = "/name"


@dataclass(frozen=True, slots=True)
class Observation:
    """What the client saw, and after how long. ``detail`` says by what: a status, an error's name, who answered instead."""

    verdict: Verdict
    seconds: float
    detail: str


def probe(flow: Flow, client: LabPod, server: LabPod, seconds: float = 1.0) -> Observation:
    """Ask ``server``'s address once for its name, from inside ``client``, waiting ``seconds`` for an answer.

    The prober is a process in the client pod's namespace *and* cgroup, so that hooks on either judge it as they judge the
    pod's own programs. Up to 1 s (the kernel's first retransmission time-out) exactly one SYN is sent.
    Raises LoadFailed where no probe could be made: that is no verdict.
    """
    if flow.protocol != "TCP":
        raise LoadFailed(f"{flow}: only TCP can be probed")
    try:
        argv = [str(c_program(SOURCE)), server.pod.ip(flow.family), str(flow.port), PATH, repr(seconds)]
        done = client.run(argv, component="probe", seconds=seconds + GRACE, check=False)
    except (LabError, KeyError) as error:
        raise LoadFailed(f"{flow} could not be probed: {error.args[0]}") from error
    if done.status != 0:
        raise failure(f"{flow}: probe", done.status, done.stderr)
    return judge(done, server.pod.ref)


def judge(done: Completed, meant: str) -> Observation:
    """The verdict on what the prober printed, where ``meant`` is the pod that should have answered."""
    line, _, body = done.stdout.partition("\n")
    try:
        what, how, took = line.split()
        seconds = float(took)
        if what == "answered":
            return _judge_answer(int(how), body.strip(), meant, seconds)
        verdict, text = {
            "refused": (Verdict.REJECTED, f"{how} after {took} s"),
            "closed": (Verdict.REJECTED, f"connection closed while {how}"),
            "nonsense": (Verdict.REJECTED, "an answer that is not HTTP"),
            "silent": (Verdict.DROPPED, f"silence while {how}"),
        }[what]
    except (ValueError, KeyError):
        raise not_understood("probe", done.stdout) from None
    return Observation(verdict, seconds, text)


def _judge_answer(status: int, body: str, meant: str, seconds: float) -> Observation:
    if status // 100 == 3:
        return Observation(Verdict.REDIRECTED, seconds, f"status {status}")
    if status // 100 != 2:
        return Observation(Verdict.REJECTED, seconds, f"status {status}")
    if body != meant:
        return Observation(Verdict.REDIRECTED, seconds, f"answered by {body or 'nobody in particular'}, not by {meant}")
    return Observation(Verdict.FORWARDED, seconds, f"status {status} from {body}")
