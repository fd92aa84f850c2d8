"""The same page as PDF."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

from weasyprint import HTML, URLFetcher


def pdf(html: str) -> bytes:
    """``html`` laid out by its print style. Only what is inside the page is read; nothing is fetched from anywhere."""
    with _rarely_collected():
        printed: bytes = HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=("data",))).write_pdf()
    return printed


@contextmanager
def _rarely_collected() -> Iterator[None]:
    """Laying out makes millions of objects that live to its end: looking for garbage among them took a seventh of the time."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
