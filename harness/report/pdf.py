"""The same page as PDF."""

from pathlib import Path

from weasyprint import HTML, URLFetcher


def write_pdf(html: str, file: Path) -> None:
    """Lay ``html`` out by its print style. Only what is inside the page is read; nothing is fetched from anywhere."""
    HTML(string=html, url_fetcher=URLFetcher(allowed_protocols=("data",))).write_pdf(file)
