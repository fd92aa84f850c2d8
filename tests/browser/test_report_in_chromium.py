"""The report as a reader's browser has it: nothing asked from outside, readable, and what moves really works."""

from pathlib import Path

import pytest
from chromium import Browser

PHONE, DESK = 360, 1280
PAGES = ("judged", "quick")

# Relative luminance and contrast by WCAG 2.1, of every visible text on the first background that is not clear.
CONTRAST = """
(() => {
  const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
  const light = (colour) => {
    const [r, g, b] = parts(colour).map((value) => value / 255)
      .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = getComputedStyle(at).backgroundColor;
      if ((parts(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const poor = [];
  let looked = 0;
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.closest("script, style, title, desc")) continue;
    const inPlot = element.closest("svg");
    const style = getComputedStyle(element);
    const ink = inPlot ? style.fill : style.color;
    const [a, b] = [light(ink), light(behind(element))].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    looked += 1;
    if (ratio < 4.5) poor.push([ratio.toFixed(2), ink, walker.currentNode.data.trim().slice(0, 40)]);
  }
  return { looked, poor };
})()
"""


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("width", [PHONE, DESK])
def test_no_console_error_and_nothing_from_outside(chromium: Browser, pages: dict[str, Path], name: str, width: int) -> None:
    chromium.show(pages[name], width)
    assert chromium.ask("document.querySelectorAll('h2').length") > 5
    assert chromium.complaints == []
    assert [url for url in chromium.requests if not url.startswith("data:")] == [pages[name].resolve().as_uri()]


def test_a_console_error_and_a_request_would_be_seen(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text("<p>no<script src='elsewhere.js'></script><script>absent()</script>")
    chromium.show(page, DESK)
    assert any("absent" in complaint for complaint in chromium.complaints)
    assert any(url.endswith("elsewhere.js") for url in chromium.requests)


@pytest.mark.parametrize("name", PAGES)
def test_a_phone_scrolls_no_page_sideways(chromium: Browser, pages: dict[str, Path], name: str) -> None:
    chromium.show(pages[name], PHONE)
    chromium.ask("for (const each of document.querySelectorAll('details')) each.open = true")
    width = "document.documentElement"
    wide = chromium.ask(
        "[...document.querySelectorAll('body *')].filter((each) => !each.closest('.wide, .contents, svg, .tooltip') &&"
        f" each.getBoundingClientRect().right > {PHONE + 1}).map((each) => each.tagName + ' ' + each.textContent.slice(0, 40))"
    )
    assert wide == []
    assert chromium.ask(f"{width}.scrollWidth") <= PHONE
    boxes = chromium.ask("[...document.querySelectorAll('.wide')].filter((each) => each.scrollWidth > each.clientWidth).length")
    assert boxes > 0, "no table is wider than a phone: this test looks at nothing"


@pytest.mark.parametrize("name", PAGES)
def test_every_text_has_contrast(chromium: Browser, pages: dict[str, Path], name: str) -> None:
    chromium.show(pages[name], DESK)
    found = chromium.ask(CONTRAST)
    assert found["looked"] > 300
    assert found["poor"] == []


def test_poor_contrast_would_be_seen(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "faint.html"
    page.write_text("<body style='background: #fff'><p style='color: #767676'>enough</p><p style='color: #777'>too little</p>")
    chromium.show(page, DESK)
    assert [text for *_, text in chromium.ask(CONTRAST)["poor"]] == ["too little"]


def test_every_picture_has_a_role_and_words(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["judged"], DESK)
    named = chromium.ask(
        "[...document.querySelectorAll('svg, img')].map((each) => each.getAttribute('role') === 'img' &&"
        " each.getAttribute('aria-labelledby').split(' ').every((id) => document.getElementById(id).textContent.trim()))"
    )
    assert len(named) > 20
    assert all(named)


def test_claims_lead_to_figures_and_back(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["judged"], DESK)
    lost = chromium.ask(
        "[...document.querySelectorAll('a[href^=\"#\"]')].map((each) => each.getAttribute('href'))"
        ".filter((href) => !document.getElementById(href.slice(1)))"
    )
    assert lost == []
    place = chromium.ask("document.querySelector('#claim-PERF-2 a[href^=\"#plot-\"]').getAttribute('href')")
    assert place == "#plot-http-cross-node-latency-1000-dots"
    assert "#claim-PERF-2" in chromium.ask(
        f"[...document.querySelectorAll('{place} figcaption a')].map((each) => each.getAttribute('href'))"
    )


def test_contents_stay_in_sight(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["judged"], DESK)
    chromium.ask("document.getElementById('scope').scrollIntoView()")
    top = chromium.ask("document.querySelector('.contents').getBoundingClientRect().top")
    assert top == 0
    assert chromium.ask("document.querySelector('#scope h2').getBoundingClientRect().top") >= chromium.ask(
        "document.querySelector('.contents').getBoundingClientRect().bottom"
    )


TABLE = "[...document.querySelectorAll('table.sortable')].at(-1)"


def test_a_table_sorts_by_its_figures(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["judged"], DESK)
    chromium.ask("for (const each of document.querySelectorAll('details')) each.open = true")
    column = f"[...{TABLE}.tBodies[0].rows].map((row) => row.cells[5].dataset.value).filter(Boolean).map(Number)"
    before = chromium.ask(column)
    assert before != sorted(before)
    for order in (False, True):
        chromium.ask(f"{TABLE}.tHead.rows[0].cells[5].querySelector('button').click()")
        assert chromium.ask(column) == sorted(before, reverse=order)


def test_a_table_narrows_by_words_and_by_data_plane(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["judged"], DESK)
    chromium.ask("for (const each of document.querySelectorAll('details')) each.open = true")
    said = "row.cells[2].textContent + '|' + row.cells[3].textContent"
    shown = f"[...{TABLE}.tBodies[0].rows].filter((row) => !row.hidden).map((row) => {said})"
    total = len(chromium.ask(shown))
    box = f"{TABLE}.closest('details').querySelector('input')"
    chromium.ask(f"{box}.value = 'p99 latency-1000'; {box}.dispatchEvent(new Event('input'))")
    narrowed = chromium.ask(shown)
    assert 0 < len(narrowed) < total
    assert {each.split("|")[1] for each in narrowed} <= {"Latency p99", "Latency p99.9", "Generator's own lag p99"}
    toggle = f"[...{TABLE}.closest('details').querySelectorAll('.toggle')].find((each) => each.textContent === 'sidecar')"
    chromium.ask(f"{toggle}.click()")
    rest = chromium.ask(shown)
    assert {each.split("|")[0] for each in rest} == {each.split("|")[0] for each in narrowed} - {"sidecar"}
    assert chromium.ask(f"{toggle}.getAttribute('aria-pressed')") == "false"
    chromium.ask(f"{toggle}.click(); {box}.value = ''; {box}.dispatchEvent(new Event('input'))")
    assert len(chromium.ask(shown)) == total


def test_a_pointer_and_the_arrow_keys_bring_up_a_figure_with_its_interval(chromium: Browser, pages: dict[str, Path]) -> None:
    chromium.show(pages["judged"], DESK)
    box = "document.querySelector('.tooltip')"
    assert chromium.ask(f"{box}.hidden")
    chromium.ask("document.querySelector('#picture-latency').scrollIntoView()")
    place = "document.querySelector('#picture-latency .tip').getBoundingClientRect()"
    chromium.point(chromium.ask(f"{place}.x + 2"), chromium.ask(f"{place}.y + 2"))
    assert not chromium.ask(f"{box}.hidden")
    said = chromium.ask(f"{box}.textContent")
    assert said.startswith("plain: p50 ")
    assert " to " in said
    chromium.point(2, 2)
    assert chromium.ask(f"{box}.hidden")
    chromium.ask("document.querySelector('#picture-latency svg').focus()")
    chromium.press("ArrowRight")
    assert chromium.ask(f"{box}.textContent") == said
    chromium.press("ArrowRight")
    assert chromium.ask(f"{box}.textContent") != said
    chromium.press("Escape")
    assert chromium.ask(f"{box}.hidden")
