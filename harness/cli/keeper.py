"""A process that outlives its command and holds a lab until somebody takes it down."""

import os
from collections.abc import Callable
from contextlib import suppress
from threading import Lock
from typing import NoReturn, Protocol

import typer

from harness.cli.status import Status, guarded, interruptible


class Ready(Protocol):
    """Prints ``text`` and ends the command with ``status``; the keeper itself goes on, in silence."""

    def __call__(self, text: str, status: Status = Status.EXPECTED) -> None: ...


_until_ended = Lock()
"""Taken as long as a keeper is to go on."""


def hold() -> NoReturn:
    """Wait for a signal to end, which leaves what was entered; in any thread, though only the main one hears signals."""
    with _until_ended:
        raise KeyboardInterrupt


def keep(work: Callable[[Ready], None]) -> int:
    """Fork a keeper that does ``work``; returns when it says that it is ready, or with its failure's status if it fails."""
    reading, writing = os.pipe()
    if os.fork() > 0:
        os.close(writing)
        with os.fdopen(reading) as pipe:
            said = pipe.read()
        status, _, text = said.partition("\n")
        if text:
            typer.echo(text)
        return int(status or Status.CANNOT)  # where it failed, the keeper has said why on standard error
    os.setsid()
    os.close(reading)
    error = os.dup(2)
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)

    def ready(text: str, status: Status = Status.EXPECTED) -> None:
        with os.fdopen(writing, "w") as pipe:
            pipe.write(f"{status:d}\n{text}")
        os.dup2(null, 2)
        os.close(error)

    def command() -> None:
        _until_ended.acquire()
        with interruptible(_until_ended.release):
            work(ready)

    ended = guarded(command)
    with suppress(OSError):  # closed when it had been ready, and was ended by `down`
        os.write(writing, f"{ended:d}\n".encode())
    os._exit(ended)
