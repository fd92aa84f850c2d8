"""A program for the inside of a pod: it opens a connection, uses it, and asks over it again when it is told to, by SIGUSR1.

Usage: held_client.py ADDRESS PORT SECONDS. Writes ``open`` when it got a first answer, and then ``answered TEXT``, ``closed``
or ``silent``.
"""

import http.client
import signal
import sys


def main() -> None:
    """Open, ask, wait for the signal, ask again, say what came of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    connection = http.client.HTTPConnection(address, port, timeout=5)
    _ask(connection)
    connection.auto_open = 0  # what comes next goes over this connection, or not at all
    _say("open")
    signal.sigwait({signal.SIGUSR1})
    try:
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        status, body = _ask(connection)
    except TimeoutError:
        _say("silent")
    except (OSError, http.client.HTTPException):
        _say("closed")
    else:
        _say(f"answered {body}" if status == http.client.OK else "closed")


def _ask(connection: http.client.HTTPConnection) -> tuple[int, str]:
    connection.request("GET", "/name")
    answer = connection.getresponse()
    return answer.status, answer.read().decode()


def _say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
