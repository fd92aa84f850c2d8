import json
import re
import shutil
from html.parser import HTMLParser
from xml.etree import ElementTree

import pandas as pd
import pytest

from harness.report import RunError, summary_text, tables, write_reports
from harness.report.html import Page, missing
from harness.report.junit import junit_xml
from harness.report.run import read_run
from harness.report.samples import Samples

SECTIONS = (
    "answer",
    "targets",
    "figures",
    "ratios",
    "policy",
    "noise",
    "void",
    "supports",
    "method",
    "machine",
    "reproduce",
    "scope",
)
VOID_ELEMENTS = {"meta", "link", "br", "wbr", "img", "input"}


class Outline(HTMLParser):
    """What a page loads, its ids, and whether its elements are closed in order."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.open: list[str] = []
        self.images_without_words = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        if tag not in VOID_ELEMENTS:
            self.open.append(tag)
        if named.get("id"):
            self.ids.append(str(named["id"]))
        self.loads += [
            str(named[name]) for name in ("src", "srcset", "href", "xlink:href", "data", "action") if named.get(name)
        ]
        if (tag == "svg" and not (named.get("role") == "img" and named.get("aria-labelledby"))) or (
            tag == "img" and not named.get("alt")
        ):
            self.images_without_words += 1

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID_ELEMENTS:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"{tag} closes another element"


def page_of(folder) -> str:
    return Page(read_run(folder), Samples(folder)).render(paper=False)


@pytest.fixture(scope="module")
def reports(default_folder, tmp_path_factory):
    folder = tmp_path_factory.mktemp("reports") / "run"
    shutil.copytree(default_folder, folder)
    assert write_reports(folder) == [folder / name for name in ("report.html", "report.pdf", "junit.xml")]
    return folder


@pytest.fixture(scope="module")
def quick(quick_folder) -> Page:
    return Page(read_run(quick_folder), Samples(quick_folder))


@pytest.fixture(scope="module")
def page(reports) -> str:
    return (reports / "report.html").read_text()


def test_the_page_loads_nothing_from_outside(page):
    outline = Outline(page)
    assert outline.open == []
    assert [load for load in outline.loads if not load.startswith(("#", "data:"))] == []
    assert not re.search(r"@import|url\((?!#)", page)


def test_every_section_is_there_and_ids_are_unique(page):
    ids = Outline(page).ids
    assert [name for name in SECTIONS if name not in ids] == []
    assert len(ids) == len(set(ids))


def test_every_plot_has_words_for_those_who_do_not_see_it(page, quick):
    assert Outline(page).images_without_words == 0
    assert Outline(quick.render(paper=True)).images_without_words == 0


def test_every_kind_of_plot_is_drawn_for_every_scenario(page):
    keys = re.findall(r'<figure id="plot-(http-[a-z]+-node)-([^"]+)"', page)
    for scenario in ("http-cross-node", "http-same-node"):
        assert [key for name, key in keys if name == scenario] == [
            "latency-1000-curve", "latency-1000-dots", "latency-half-curve", "latency-half-dots",
            "cost-1000-cpu_per_request", "cost-half-cpu_per_request", "cost-1000-pss",
            "trace-1000-context_switches", "trace-1000-syscalls", "trace-1000-stack_traversals", "programs",
            "maximum-throughput", "connections-throughput", "bulk-bulk",
            "times-plain", "times-sidecar", "times-sidecar-mtls", "times-ebpf",
        ]  # fmt: skip


def test_what_was_void_stands_in_the_page(page):
    assert "over a tenth of the cell" in page
    assert "void again" in page


def test_a_failed_probe_stands_in_the_matrix(page):
    assert re.search(r'class="outcome fail">✗&nbsp;forwarded', page)


def test_scope_is_told(page):
    assert "Our mesh is not Cilium" in page
    assert "not a cluster figure" in page


def test_the_pdf_has_pages(reports):
    pdf = (reports / "report.pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert pdf.rstrip().endswith(b"%%EOF")


def test_paper_has_no_script_and_no_table_of_hundreds_of_rows(quick):
    paper = quick.render(paper=True)
    assert "<script" not in paper
    assert "<details" not in paper


def test_junit_has_a_failure_for_each_failed_probe(reports):
    root = ElementTree.parse(reports / "junit.xml").getroot()  # noqa: S314 -- written by ourselves
    document = json.loads((reports / "run.json").read_text())
    failed = [row for row in document["conformance"] if row["outcome"] == "fail"]
    assert [case.get("name") for case in root.iter("testcase") if case.find("failure") is not None] == [
        "evil/stranger -> shop/catalogue:8080/TCP (IPv6) is denied"
    ]
    assert sum(int(suite.get("failures", "")) for suite in root) == len(failed) == 1
    assert sum(int(suite.get("tests", "")) for suite in root) == len(document["conformance"])
    assert len(root.findall(".//skipped")) == sum(row["outcome"] == "unsupported" for row in document["conformance"])


def test_junit_survives_control_characters(changed):
    folder = changed(lambda document: document["conformance"][0].update(outcome="fail", evidence="\x00\x1b[31m<&"))
    root = ElementTree.fromstring(junit_xml(read_run(folder)).partition("\n")[2])  # noqa: S314 -- written by ourselves
    assert "[31m<&" in (root.find(".//failure").text or "")


def test_a_quick_run_is_labelled_indicative_and_prints_no_verdict(quick):
    page = quick.render(paper=False)
    assert "<strong>Indicative.</strong>" in page
    assert not re.search(r'class="[^"]*\b(better|worse|reached|not-reached|not-distinguishable)\b', page)
    assert "no A/A pair" in page


def test_metrics_without_a_meter_are_named_with_the_reason(changed):
    def without_events(document):
        gone = ("context_switches", "syscalls", "stack_traversals")
        document["estimates"] = [row for row in document["estimates"] if row["metric"] not in gone]
        document["unmeasured"] = [{"metric": "events", "reason": "bcc is not installed"}]

    folder = changed(without_events)
    assert missing(read_run(folder)) == [
        ("Context switches per request", "bcc is not installed"),
        ("System calls per request", "bcc is not installed"),
        ("Stack traversals per request", "bcc is not installed"),
    ]
    page = page_of(folder)
    assert "bcc is not installed" in page
    assert "trace-1000-syscalls" not in page


def test_a_metric_that_is_missing_without_a_reason_is_named_too(changed):
    folder = changed(lambda doc: doc.update(unmeasured=[], estimates=[r for r in doc["estimates"] if r["metric"] != "pss"]))
    assert missing(read_run(folder)) == [("Memory (PSS)", "the run does not say why")]


def test_loads_that_were_not_run_are_not_missed(changed):
    def without_bulk(document):
        document["unmeasured"] = []
        document["estimates"] = [row for row in document["estimates"] if not row["cell"].endswith("/bulk")]
        document["scenarios"][0]["loads"] = [load for load in document["scenarios"][0]["loads"] if load["kind"] != "bulk"]

    assert missing(read_run(changed(without_bulk))) == []


def test_a_plane_without_a_figure_is_shown_as_not_measured(changed):
    def without_sidecar_p50(document):
        document["estimates"] = [
            row for row in document["estimates"] if (row["metric"], row["dataplane"]) != ("latency_p50", "sidecar")
        ]

    folder = changed(without_sidecar_p50)
    assert "not measured" in page_of(folder)
    assert "not measured" in summary_text(folder)


def test_requests_that_were_never_answered_are_not_called_unmeasured(changed):
    def endless(document):
        for row in document["estimates"]:
            if row["metric"] == "latency_p99" and row["dataplane"] == "sidecar":
                row["estimate"] = None

    folder = changed(endless)
    assert "no answer" in page_of(folder)
    assert "no answer" in summary_text(folder)


def test_a_run_without_any_figure_still_gives_a_page(changed):
    empty = {key: [] for key in ("estimates", "conformance", "targets", "noise_floor", "voids", "unmeasured")}
    folder = changed(lambda document: document.update(empty))
    for name in ("samples", "histograms"):
        pd.read_parquet(folder / f"{name}.parquet").iloc[:0].to_parquet(folder / f"{name}.parquet")
    write_reports(folder)
    page = (folder / "report.html").read_text()
    assert "No pair was compared" in page
    assert "No reachability was checked" in page


def test_names_from_a_run_are_escaped_everywhere(changed):
    hostile = "<script>alert(1)</script>$x$"

    def rename(document):
        document["title"] = hostile
        document["scenarios"][0]["title"] = hostile
        document["fingerprint"]["machine"] = hostile
        for row in document["estimates"]:
            row["component"] = row["component"] and hostile

    assert "<script>alert" not in page_of(changed(rename))


def test_void_blocks_enter_no_curve(default_folder):
    samples = Samples(default_folder)
    assert len(samples.curves("http-cross-node", "latency-1000", ["plain"])["plain"]) == 6
    assert len(samples.curves("http-same-node", "latency-1000", ["plain"])["plain"]) == 7
    assert len(samples.blocks("http-cross-node", "latency-1000", "plain", "latency_p50")) == 6


def test_a_curve_read_from_histograms_has_the_medians_of_the_samples(default_folder):
    samples = Samples(default_folder)
    for plane, blocks in samples.curves("http-cross-node", "latency-half", ["plain", "sidecar"]).items():
        told = samples.blocks("http-cross-node", "latency-half", plane, "latency_p50")
        for (values, counts), median in zip(blocks, told, strict=True):
            read = values[(counts.cumsum() >= counts.sum() / 2).argmax()]
            assert read == pytest.approx(median, rel=0.05)


@pytest.mark.parametrize("name", ["samples.parquet", "histograms.parquet"])
def test_missing_and_broken_samples_are_refused_by_name(changed, name):
    folder = changed(lambda document: None)
    (folder / name).write_bytes(b"no parquet")
    with pytest.raises(RunError, match=name):
        write_reports(folder)
    (folder / name).unlink()
    with pytest.raises(RunError, match=f"{name}: not there"):
        write_reports(folder)
    assert not (folder / "report.html").exists()


def test_a_missing_column_is_named(changed):
    folder = changed(lambda document: None)
    pd.read_parquet(folder / "samples.parquet").drop(columns="void").to_parquet(folder / "samples.parquet")
    with pytest.raises(RunError, match="lacks the column void"):
        Samples(folder)


def test_the_summary_has_targets_and_fits_a_terminal(default_folder):
    text = summary_text(default_folder)
    assert "Of 6 targets, " in text
    assert "not reached" in text
    assert max(map(len, text.split("Policy:")[0].splitlines())) <= 140


def test_the_summary_of_a_quick_run_judges_no_target(quick_folder):
    text = summary_text(quick_folder)
    assert "no target is judged" in text
    assert "reached" not in text


def test_a_load_that_is_void_in_every_block_is_named(changed):
    def all_void(document):
        gone = "http-cross-node/latency-1000"
        document["estimates"] = [row for row in document["estimates"] if row["cell"] != gone]
        document["voids"] = [{"cell": f"block 1 {gone}, attempt 2 on ebpf", "reason": "lag", "reran": True, "resolved": False}]

    folder = changed(all_void)
    assert tables.empty_loads(read_run(folder), read_run(folder).scenarios[0]) == [("latency-1000", "void in every block")]
    assert "latency-1000 (void in every block)" in page_of(folder)
    assert missing(read_run(folder)) == [("Memory of BPF", "the kernel lacks BPF statistics")]
