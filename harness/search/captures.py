"""Everything that some pods send and get while a case is judged, written as pcaps."""

import threading
from collections.abc import Collection
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType

from harness.lab.port import Lab
from harness.traffic.packet.tap import Tap, save
from harness.traffic.port import LoadFailed

BETWEEN = 0.002
"""Seconds between two looks at the captures: a frame bears the time at which it was read."""


class Recording:
    """Captures at the interfaces of ``pods`` while it is open."""

    def __init__(self, lab: Lab, pods: Collection[str]) -> None:
        self._lab = lab
        self._pods = sorted(pods)
        self._taps: list[Tap] = []
        self._stack = ExitStack()
        self._over = threading.Event()
        self._lost: LoadFailed | None = None
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Recording":
        self._taps = [self._stack.enter_context(Tap(self._lab.pod(ref))) for ref in self._pods]
        self._reader.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        self._reader.join()
        self._stack.close()

    def _read(self) -> None:
        try:
            while True:
                over = self._over.is_set()  # asked before the last look, so that nothing is left unread
                for tap in self._taps:
                    tap.read()
                if over:
                    return
                self._over.wait(BETWEEN)
        except LoadFailed as error:
            self._lost = error

    def save(self, folder: Path, senders: Collection[str]) -> list[Path]:
        """Write ``sent.pcap``, what ``senders`` sent, and a pcap of all at each pod's interface. For when it is closed.

        Raises LoadFailed where frames were lost.
        """
        if self._lost is not None:
            raise self._lost
        folder.mkdir()
        sent = sorted(
            (each for tap in self._taps if tap.ref in senders for each in tap.frames if each.leaving),
            key=lambda each: each.time,
        )
        files = [folder / "sent.pcap"]
        save(sent, files[0])
        for tap in self._taps:
            files.append(folder / f"{tap.ref.replace('/', '-')}.pcap")
            tap.save(files[-1])
        return files
