from math import inf

import pytest
from example_run import EQUAL

from harness.model.result import Estimate
from harness.report import sentences, tables
from harness.report.lookup import Figures
from harness.report.quantity import duration, interval, quantity, ratio, ratio_interval
from harness.report.run import EstimateRow, NoiseRow, read_run


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (1.234e-4, "s", "123 µs"),
        (9.996e-4, "s", "1.00 ms"),
        (1.84e-7, "s", "184 ns"),
        (2.5, "s", "2.50 s"),
        (0.0, "s", "0 ns"),
        (2.09e10, "bit/s", "20.9 Gbit/s"),
        (31457280, "B", "30.0 MiB"),
        (0.0, "B", "0 B"),
        (61234.0, "1/s", "61,200/s"),
        (2.02, "1", "2.02"),
        (inf, "s", "no answer"),
        (None, "s", "not measured"),
    ],
)
def test_quantities_have_the_prefix_that_fits(value, unit, text):
    assert quantity(value, unit) == text


@pytest.mark.parametrize(
    ("bounds", "text"),
    [((9.9e-5, 1.05e-4), "99.0 to 105 µs"), ((1e-4, inf), "100 µs or more"), ((inf, inf), "no answer"), (None, "no interval")],
)
def test_intervals_are_told_in_one_unit(bounds, text):
    assert interval(bounds, "s") == text


def test_ratios_keep_two_decimals_where_they_matter():
    assert [ratio(value) for value in (1.0, 1.001, 0.9961, 0.234, 9.99, 9.996, 12.34, inf, None)] == [
        "1.00", "1.001", "0.996", "0.23", "9.99", "10.0", "12.3", "unbounded", "not measured",
    ]  # fmt: skip
    assert ratio_interval((0.99, 1.05)) == "0.99 to 1.05"
    assert ratio_interval((1.2, inf)) == "1.20 or more"


def test_durations():
    assert [duration(seconds) for seconds in (9.4, 842, 3600)] == ["9 s", "14 min 2 s", "1 h 0 min"]


def paired(estimate: float, low: float, high: float, level: float = 0.97) -> tuple[Estimate, EstimateRow]:
    told = Estimate("s/l", "s", "ebpf", "latency_p50", "ratio", estimate, low, high, level, "plain", 6, 0)
    return told, EstimateRow.model_validate({field: getattr(told, field) for field in Estimate.__slots__})


def judged(estimate: float, low: float, high: float, *, different: bool | None, family_level: float) -> EstimateRow:
    row = paired(estimate, low, high)[1]
    return row.model_copy(update={"different": different, "family_level": family_level})


def test_the_judges_verdict_is_what_is_told_not_a_rule_of_the_reports_own():
    floor = NoiseRow(scenario="s", load="l", metric="latency_p50", floor=0.02, level=0.97)
    assert not sentences.distinguishable(judged(3.1, 3.0, 3.2, different=False, family_level=0.95), floor)
    assert sentences.distinguishable(judged(1.01, 0.9, 1.2, different=True, family_level=0.95), floor)
    assert not sentences.distinguishable(judged(3.1, 3.0, 3.2, different=None, family_level=0.0), floor)


def test_a_ratio_that_was_not_judged_has_no_word():
    floor = NoiseRow(scenario="s", load="l", metric="latency_p50", floor=0.02, level=0.97)
    told = tables.effect(judged(3.1, 3.0, 3.2, different=None, family_level=0.0), floor, indicative=False)
    assert told.word == ""


def phrase(estimate: float, low: float, high: float, floor: float = 0.02, *, indicative: bool = False) -> str:
    noise_row = NoiseRow(scenario="s", load="l", metric="latency_p50", floor=floor, level=0.97)
    return sentences.finding(paired(estimate, low, high)[1], noise_row, indicative=indicative)


def test_an_effect_is_told_with_its_interval():
    assert phrase(3.1, 3.0, 3.2) == "3.10 times the p50 latency (3.00 to 3.20)"


def test_no_effect_below_the_noise_floor_is_told_as_one():
    assert phrase(1.015, 1.01, 1.02) == "p50 latency not distinguishable (1.01 times, 1.01 to 1.02)"
    assert phrase(1.2, 0.9, 1.3) == "p50 latency not distinguishable (1.20 times, 0.90 to 1.30)"


def test_a_quick_run_tells_no_interval_and_no_verdict(quick_folder):
    assert phrase(3.1, 3.0, 3.2, indicative=True) == "about 3.10 times the p50 latency"
    figures = Figures(read_run(quick_folder))
    words = {line.effect.word for line in tables.ratio_lines(figures)}
    assert words == {""}


def test_better_and_worse_follow_the_metric(default_folder):
    run = read_run(default_folder)
    figures = Figures(run)
    table = tables.pair_table(figures, run.scenarios[0])
    (effects,) = [effects for plane, against, _, effects in table.rows if (plane, against) == ("ebpf", "sidecar")]
    words = {column: effect.word for column, effect in zip(table.columns, effects, strict=True) if effect}
    assert words["Latency p50", "latency-1000"] == "better"
    assert words["Throughput", "maximum"] == "better"


def test_pairs_are_labelled_equal_unequal_or_control(default_folder):
    run = read_run(default_folder)
    figures = Figures(run)
    labels = {(plane, against): label for plane, against, label, _ in tables.pair_table(figures, run.scenarios[0]).rows}
    assert labels["ebpf", "sidecar"] == "equal"
    assert labels["ebpf", "sidecar-mtls"] == "unequal"
    assert labels["ebpf", "plain"] == "control"
    assert {pair for pair, label in labels.items() if label == "equal"} == EQUAL


def test_sentences_are_about_the_first_plane_and_the_targets_pairs(default_folder):
    run = read_run(default_folder)
    told = {(answer.plane, answer.against) for answer in sentences.answers(Figures(run), run.scenarios[0])}
    assert ("sidecar-mtls", "plain") in told
    assert ("ebpf", "sidecar") in told
    assert ("sidecar-mtls", "sidecar") not in told


def test_policy_faults_are_counted(default_folder):
    said = sentences.policy_sentence(read_run(default_folder))
    assert "; sidecar was wrong in 1 of 12 probes; " in said
    assert said.endswith("ebpf-sockmap was right in all 12 probes.")


def test_only_means_that_mean_something_are_headlines(default_folder):
    figures = Figures(read_run(default_folder))
    columns = tables.glance(figures, figures.run.scenarios[0]).columns
    assert ("Throughput", "maximum") in columns
    assert [label for label, _ in columns].count("Throughput") == 1
