"""The PDF made by a process of its own: it loads WeasyPrint while figures are drawn, and lays paper out beside the rest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

from harness.report.forked import Forked

Printed = Callable[[], bytes]
"""The PDF, as soon as it is there."""


@contextmanager
def printing() -> Iterator[Callable[[str], Printed]]:
    """Takes a page for paper, once, and gives the PDF to be. It is laid out here where the process for it has died."""
    child: Forked[bytes] = Forked(_print)
    try:
        yield lambda html: _told(child, html)
    finally:
        child.end()


def _told(child: Forked[bytes], html: str) -> Printed:
    try:
        child.tell(html)
    except OSError:
        return lambda: _pdf(html)

    def printed() -> bytes:
        try:
            return child.result()
        except (EOFError, ConnectionResetError):
            return _pdf(html)

    return printed


def _print(pages: Connection) -> bytes:
    import harness.report.pdf  # noqa: F401, PLC0415 -- weasyprint, before there is a page

    return _pdf(pages.recv())


def _pdf(html: str) -> bytes:
    from harness.report.pdf import pdf  # noqa: PLC0415 -- weasyprint, only where paper is laid out

    return pdf(html)
