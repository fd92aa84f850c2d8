"""A program for the inside of a pod: it opens a connection, and asks over it only when it is told to, by SIGUSR1.

Usage: held_client.py ADDRESS PORT SECONDS. Writes ``open``, and then ``answered TEXT``, ``closed`` or ``silent``.
"""

import signal
import socket
import sys


def main() -> None:
    """Open, wait for the signal, ask, say what came of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    with socket.create_connection((address, port), timeout=5) as connection:
        _say("open")
        signal.sigwait({signal.SIGUSR1})
        connection.settimeout(seconds)
        try:
            connection.sendall(f"GET /name HTTP/1.1\r\nHost: {port}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := connection.recv(4096):
                answer += part
        except TimeoutError:
            _say("silent")
        except OSError:
            _say("closed")
        else:
            _say("answered " + answer.rpartition(b"\r\n\r\n")[2].decode() if answer else "closed")


def _say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
