"""The same page as PDF."""

from pathlib import Path
from typing import NoReturn

from weasyprint import HTML


def write_pdf(html: str, file: Path) -> None:
    """Lay ``html`` out by its print style. Nothing is fetched: the page refers to nothing outside itself."""
    HTML(string=html, url_fetcher=_refuse).write_pdf(file)


def _refuse(url: str, *_args: object, **_kwargs: object) -> NoReturn:
    raise ValueError(f"the report must not load {url}")
