"""A program for the inside of a pod: it opens a connection, uses it, and asks over it again when it is told to, by SIGUSR1.

Usage: held_client.py ADDRESS PORT SECONDS NONCE [later | REQUEST]. Writes ``open`` when it got a first answer, and then
``answered TEXT``, ``refused STATUS``, ``closed`` or ``silent``. What it asks when it is told to has a header ``Probe: NONCE``;
it is a GET of ``/name`` or REQUEST, a list of a method, a path and pairs of a header and its value as JSON. With ``later``
it has asked again when it writes ``open``, and got the head of the answer; the server sends the rest when it is told to.
"""

import http.client
import json
import signal
import sys

NO_REQUEST = 5


def main() -> None:
    """Open, ask, wait for the signal, ask again, say what came of it."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    address, port, seconds = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
    connection = http.client.HTTPConnection(address, port, timeout=5)
    _body(_head(connection, "/name"))
    connection.auto_open = 0  # what comes next goes over this connection, or not at all
    begun = _head(connection, "/later") if "later" in sys.argv else None
    _say("open")
    signal.sigwait({signal.SIGUSR1})
    try:
        if connection.sock is not None:
            connection.sock.settimeout(seconds)
        status, body = _body(begun or _asked(connection))
    except TimeoutError:
        _say("silent")
    except (OSError, http.client.HTTPException):
        _say("closed")
    else:
        _say(f"answered {body}" if status == http.client.OK else f"refused {status}")


def _asked(connection: http.client.HTTPConnection) -> http.client.HTTPResponse:
    if len(sys.argv) == NO_REQUEST:
        return _head(connection, "/name", Probe=sys.argv[4])
    method, path, headers = json.loads(sys.argv[5])
    connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
    for name, value in [*headers, ["Probe", sys.argv[4]]]:
        connection.putheader(name, value)
    connection.endheaders()
    return connection.getresponse()


def _head(connection: http.client.HTTPConnection, path: str, **headers: str) -> http.client.HTTPResponse:
    connection.request("GET", path, headers=headers)
    return connection.getresponse()


def _body(answer: http.client.HTTPResponse) -> tuple[int, str]:
    return answer.status, answer.read().decode()


def _say(what: str) -> None:
    sys.stdout.write(what + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
