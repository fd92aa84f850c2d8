"""A program for a pod: blocking sockets, uploads while it waits for answers, and signals all the time; prints what it met.

Usage: blocking_client.py ADDRESS PORT CONNECTIONS ROUNDS
"""

import json
import signal
import socket
import sys
import threading

BODY = bytes(range(256)) * (4 * 1024)


def head(method: str, target: str, size: int) -> bytes:
    return b"%s %s HTTP/1.1\r\nHost: b\r\nContent-Length: %d\r\n\r\n" % (method.encode(), target.encode(), size)


def answer(connection: socket.socket, left: bytes) -> tuple[bytes, bytes]:
    """The body of the next answer, and what follows it."""
    while b"\r\n\r\n" not in left:
        left += received(connection)
    lines, _, left = left.partition(b"\r\n\r\n")
    size = next(int(line.split(b":")[1]) for line in lines.split(b"\r\n") if line.lower().startswith(b"content-length"))
    while len(left) < size:
        left += received(connection)
    return left[:size], left[size:]


def received(connection: socket.socket) -> bytes:
    piece = connection.recv(65536)
    if not piece:
        raise EOFError
    return piece


def talk(name: int, rounds: int, met: list[str]) -> None:
    """A small request, and a long one whose body is sent while a reader waits for the answer already."""
    left = b""
    try:
        with socket.create_connection((sys.argv[1], int(sys.argv[2]))) as connection:
            for number in range(rounds):
                for method, body in (("GET", b""), ("POST", BODY)):
                    target = f"/public/{name}/{number}"
                    said = head(method, target, len(body)) + body
                    sender = threading.Thread(target=connection.sendall, args=(said,))
                    sender.start()
                    got, left = answer(connection, left)
                    sender.join()
                    met.append("right" if got == target.encode() + b" " + body else f"wrong: {got[:80]!r}")
    except (OSError, EOFError) as error:
        met.append(repr(error))


def main() -> None:
    met: list[str] = []
    signals = [0]

    def count(*_: object) -> None:
        signals[0] += 1

    signal.signal(signal.SIGALRM, count)
    threads = [threading.Thread(target=talk, args=(name, int(sys.argv[4]), met)) for name in range(int(sys.argv[3]))]
    for each in threads:
        each.start()
    while any(each.is_alive() for each in threads):
        for each in threads:  # whoever waits in the kernel is disturbed, the reader of each connection too
            if each.is_alive() and each.ident is not None:
                signal.pthread_kill(each.ident, signal.SIGALRM)
        threads[0].join(0.001) if threads[0].is_alive() else signal.sigtimedwait([signal.SIGUSR2], 0.001)
    print(json.dumps({"met": {each: met.count(each) for each in set(met)}, "signals": signals[0]}))


if __name__ == "__main__":
    main()
