"""A program that talks as the agent of a fast path does, and dies as it is told by the generations that it is told of.

Usage: stand_in_agent.py DIARY PROXY SOCKET. Each thing that it is told is a line of DIARY, after the number of its process.
"""

import os
import signal
import socket
import sys
from pathlib import Path

from harness.mesh.l7messages import Done, Failed, Judge, Message, Messages, Trouble, line

REFUSED, KILLED_FIRST, CRASHED, TROUBLED, ENDED = 2, 3, 4, 5, 6
"""Generations; of the second and third the first agent only dies that is told of it."""


def act(message: Message, diary: Path, harness: socket.socket) -> None:
    generation = message.generation if isinstance(message, Judge) else 0
    first = f" {generation}\n" not in diary.read_text()
    with diary.open("a") as written:
        written.write(f"{os.getpid()} {generation}\n")
    if generation == KILLED_FIRST and first:
        os.kill(os.getpid(), signal.SIGKILL)
    if generation == CRASHED and first:
        raise SystemExit("a bug, say")
    if generation == TROUBLED:
        harness.sendall(line(Trouble("no room for a pair")))
    harness.sendall(line(Failed("it cannot be") if generation == REFUSED else Done()))
    if generation == ENDED:
        os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    with socket.socket(socket.AF_UNIX) as harness:
        harness.connect(sys.argv[3])
        messages = Messages()
        while data := harness.recv(65536):
            for message in messages.of(data):
                act(message, Path(sys.argv[1]), harness)


if __name__ == "__main__":
    main()
