"""A crew over Dask distributed: its scheduler hands jobs to workers, and hands them on where a worker is lost.

The only file that knows Dask. Both ends of it: the campaign's client, and what runs on a worker.
"""

import asyncio
import logging
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib import metadata
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

from harness.campaign.crew import Came, Event, Failed, Said
from harness.campaign.job import CLEANING, Delivered, Job, JobFailed, Unwanted, measured
from harness.campaign.journal import CampaignError
from harness.campaign.machines import Identity
from harness.campaign.plan import PLACEMENT
from harness.lab.facts import fingerprint, package_version
from harness.lab.idle import waiting

RESOURCE = "meshproof"
ANSWER = 10.0  # seconds for a scheduler to answer
RETRIES = 1  # of a part whose measuring failed; one whose worker was lost is handed on by the scheduler as often as it allows

_place = Path()
_busy = threading.Event()
_closing = threading.Event()


def identity() -> Identity:
    """Who this machine is, with the versions of all packages that the program says it needs."""
    names = {found.group() for each in metadata.requires("meshproof") or () if (found := re.match(r"[\w.-]+", each))}
    facts = {**fingerprint(), "CPU placement": PLACEMENT, "idle processors": waiting()}
    return Identity(facts, {name: package_version(name) for name in sorted(names)})


class DaskCrew:
    """The campaign's end. See Crew."""

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address
        self._futures: dict[int, Any] = {}
        self._events: SimpleQueue[Event] = SimpleQueue()
        self._identities: dict[str, Identity | str] = {}
        self._addresses: dict[str, str] = {}
        self._topic: str | None = None

    def workers(self) -> Mapping[str, Identity | str]:
        there = {}
        with self._answering():
            info = self._client.scheduler_info(n_workers=-1)["workers"]
            for address, worker in info.items():
                if RESOURCE not in worker["resources"]:
                    continue  # somebody else's, on a scheduler that is shared
                if address not in self._identities:
                    said = self._client.run(identity, workers=[address], on_error="return").get(address, "has gone")
                    self._identities[address] = said if isinstance(said, Identity) else (
                        f"worker {worker['name']} cannot say what it is ({said!r}): start it by `meshproof worker`"
                    )  # fmt: skip
                there[str(worker["name"])] = self._identities[address]
                self._addresses[str(worker["name"])] = address
        return there

    def start(self, job: Job, worker: str, *, alone: bool) -> None:
        with self._answering():
            if self._topic is None:
                self._topic = topic(job)
                self._client.subscribe_topic(self._topic, self._heard)
            future = self._client.submit(
                work, job, key=f"{topic(job)}-{job.number}", pure=False, workers=[self._addresses[worker]],
                allow_other_workers=not alone, resources={RESOURCE: 1}, retries=RETRIES,
            )  # fmt: skip
        self._futures[job.number] = future
        future.add_done_callback(lambda _: self._ended(job.number))

    def drop(self, number: int) -> None:
        with self._answering():
            self._client.cancel([self._futures.pop(number)], force=True)

    def happened(self, seconds: float) -> Sequence[Event]:
        events = []
        with suppress(Empty):
            events.append(self._events.get(timeout=seconds))
            while True:
                events.append(self._events.get_nowait())
        return events

    def stop(self) -> None:
        futures = list(self._futures.values())
        self._futures.clear()
        with suppress(OSError, TimeoutError):  # a scheduler that has gone: its workers stop by themselves
            if futures:
                self._client.cancel(futures, force=True)
            deadline = time.monotonic() + CLEANING
            addresses = [a for a, known in self._identities.items() if isinstance(known, Identity)]
            while time.monotonic() < deadline:
                there = self._client.scheduler_info(n_workers=-1)["workers"]
                still = self._client.run(busy, workers=[a for a in addresses if a in there], on_error="ignore")
                if not any(still.values()):
                    break
                time.sleep(0.2)

    def _heard(self, event: tuple[float, Mapping[str, Any]]) -> None:
        _, said = event
        self._events.put(Said(said["number"], said["by"], said["kind"], said["text"]))

    def _ended(self, number: int) -> None:
        future = self._futures.pop(number, None)
        if future is None:
            return  # dropped, or the campaign is being stopped
        error = future.exception() if future.status == "error" else None
        if future.status == "finished":
            worker, delivered = future.result()
            self._events.put(Came(number, worker, delivered))
        elif isinstance(error, JobFailed):
            self._events.put(Failed(number, str(error)))
        else:
            reason = type(error).__name__ if error is not None else future.status
            self._events.put(Failed(number, f"the scheduler gave a job up ({reason}): look at what ends the workers"))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except (OSError, TimeoutError) as error:
            raise CampaignError(
                f"{self._address}: the scheduler answers no more ({error}); finished blocks are kept: start it and its workers "
                "again, then go on with `meshproof bench --resume --scheduler`"
            ) from error


@contextmanager
def connected(address: str) -> Iterator[DaskCrew]:
    """The crew of the scheduler at ``address``. Raises CampaignError where none answers, or where it has no worker."""
    from distributed import Client  # noqa: PLC0415 -- half a second, and only where there are several machines

    _quiet()
    try:
        client = Client(address, timeout=ANSWER, set_as_default=False)
    except (OSError, TimeoutError, ValueError, TypeError) as error:  # the last of tls:// without certificates
        raise CampaignError(
            f"{address}: no scheduler answers ({error}): start one by `dask scheduler --host ADDRESS --port PORT`, "
            f"and on each machine that is to measure, as root, `meshproof worker {address}`"
        ) from error
    try:
        crew = DaskCrew(client, address)
        if not crew.workers():
            raise CampaignError(
                f"{address}: the scheduler has no worker that measures: "
                f"start one on each machine that is to, as root, by `meshproof worker {address}`"
            )
        yield crew
    finally:
        with suppress(OSError, TimeoutError):
            client.close()


def topic(job: Job) -> str:
    """Under which workers tell of a campaign's progress."""
    return f"meshproof-{job.campaign}"


def work(job: Job) -> tuple[str, Delivered]:
    """On a worker: measure a job. Stops where the campaign no longer waits for it, or the worker is being ended."""
    from distributed import get_worker  # noqa: PLC0415 -- as above

    worker = get_worker()
    key = worker.get_current_task()

    def say(kind: str, text: str) -> None:
        worker.log_event(topic(job), {"number": job.number, "by": str(worker.name), "kind": kind, "text": text})

    def wanted() -> bool:
        task = worker.state.tasks.get(key)
        return task is not None and task.state == "executing" and not _closing.is_set()

    _busy.set()
    try:
        say("took", "")
        return str(worker.name), measured(job, _place, say, wanted)
    except Unwanted:
        raise JobFailed(f"{job.part} was stopped") from None
    except JobFailed as failed:
        say("noted", str(failed))
        raise
    finally:
        _busy.clear()


def busy() -> bool:
    """On a worker: whether it measures, or is still cleaning up after that."""
    return _busy.is_set()


def serve(address: str, name: str, place: Path) -> None:
    """Be a worker until a signal comes or the scheduler goes. Raises CampaignError where it cannot be one any more."""
    global _place  # noqa: PLW0603 -- work() is called by Dask, which hands it nothing but the job
    _place = place
    try:
        asyncio.run(_serve(address, name, place))
    except (OSError, TimeoutError, TypeError) as error:  # the last of tls:// without certificates
        raise CampaignError(
            f"{address}: no scheduler answers ({error}): start one by `dask scheduler --host ADDRESS --port PORT`"
        ) from error
    except ValueError as error:
        raise CampaignError(f"{address} does not take this worker ({error}): give it another --name") from error


async def _serve(address: str, name: str, place: Path) -> None:
    from distributed import Worker  # noqa: PLC0415 -- as above

    _quiet()
    stop = asyncio.Event()
    for each in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    worker = Worker(
        address,
        nthreads=1,
        name=name,
        resources={RESOURCE: 1},
        memory_limit=0,
        local_directory=str(place),
        death_timeout=ANSWER,
    )
    await worker
    ended = asyncio.ensure_future(worker.finished())
    stopped = asyncio.ensure_future(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    gone = not stopped.done()
    await worker.close(timeout=5, executor_wait=False)  # first, so that what it measured is handed on at once
    _closing.set()
    deadline = time.monotonic() + CLEANING
    while _busy.is_set() and time.monotonic() < deadline:
        await asyncio.sleep(0.1)
    if gone:
        raise CampaignError(f"{address}: the scheduler has gone, and this worker with it: start both again")


def _quiet() -> None:
    """What matters of Dask's own messages is said in ours."""
    for name in list(logging.root.manager.loggerDict):
        if name.startswith("distributed"):
            logging.getLogger(name).setLevel(logging.CRITICAL + 1)
