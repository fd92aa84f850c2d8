from pathlib import Path

import pytest

from harness.manifests.case import load_cases
from harness.manifests.errors import ManifestError
from harness.model.exchange import Exchange, ExchangeExpectation, Fate, Sends

GET = r'"GET /a HTTP/1.1\r\nHost: api\r\n\r\n"'
ONE = f"messages: [{{raw: {GET}, verdict: forwarded}}]"
ENDS = "from: shop/client, to: shop/api, port: 8080"


def loaded(folder: Path, *exchanges: str, more: str = "") -> tuple[ExchangeExpectation, ...]:
    case = folder / "l7" / "case"
    case.mkdir(parents=True)
    lines = "".join(f"    - {each}\n" for each in exchanges)
    (case / "scenario.yaml").write_text(f"title: t\nwhy: w\ntopology: mesh\n{more}expect:\n  exchanges:\n{lines}")
    ((step,),) = [one.steps for one in load_cases([folder])]
    return step.exchanges


def test_an_exchange_is_expected_over_both_families_where_none_is_written(tmp_path: Path) -> None:
    found = loaded(tmp_path, f"{{{ENDS}, {ONE}}}", f"{{{ENDS}, family: 6, sends: bytewise, {ONE}}}")
    assert [(each.exchange.family, each.exchange.sends) for each in found] == [
        (4, Sends.WHOLE),
        (6, Sends.WHOLE),
        (6, Sends.BYTEWISE),
    ]
    assert str(found[0].origin).endswith("scenario.yaml:6")


def test_bytes_are_kept_as_they_are_written(tmp_path: Path) -> None:
    raw = r'["GET /\0\xff\r\n", {repeat: "ab", times: 3}, "\n"]'
    message = f"{{raw: {raw}, verdict: forwarded, status: 200, reaches: {{X-Team: web, X-Other: null}}}}"
    (found,) = loaded(tmp_path, f"{{{ENDS}, family: 4, sends: [3, 1], messages: [{message}, {{raw: x, verdict: refusable}}]}}")
    data = b"GET /\0\xff\r\nababab\n"
    assert found.exchange == Exchange("shop/client", "shop/api", 8080, (data, b"x"), (3, 1), 4)
    assert [each.fate for each in found.messages] == [Fate.FORWARDED, Fate.REFUSABLE]
    assert found.messages[0].reaches == (("X-Team", "web"), ("X-Other", None))
    assert found.messages[0].status == 200


@pytest.mark.parametrize(
    ("exchange", "said"),
    [
        (f"{{{ENDS}, messages: []}}", "messages: empty; write at least one"),
        (f"{{{ENDS}, messages: [{{raw: '', verdict: refusable}}]}}", "raw: empty; write the bytes of a message"),
        (f"{{{ENDS}, messages: [{{raw: 5, verdict: refusable}}]}}", "raw: want a string, or a list"),
        (f"{{{ENDS}, messages: [{{raw: [{{repeat: a}}], verdict: refusable}}]}}", "raw: want a string, or a list"),
        (f"{{{ENDS}, messages: [{{raw: [{{repeat: a, times: 0}}], verdict: refusable}}]}}", "want 1 to 1048576 bytes, found 0"),
        (f"{{{ENDS}, messages: [{{raw: '\u20ac', verdict: refusable}}]}}", "want bytes, U+0000 to U+00FF"),
        (f"{{{ENDS}, messages: [{{raw: a, verdict: denied}}]}}", "want forwarded, rejected or refusable"),
        (f"{{{ENDS}, messages: [{{raw: a, verdict: refusable, status: 400}}]}}", "status: a message that may be"),
        (f"{{{ENDS}, messages: [{{raw: a, verdict: rejected, reaches: {{A: b}}}}]}}", "reaches: only of a message"),
        (f"{{{ENDS}, sends: slowly, {ONE}}}", "sends"),
        (f"{{{ENDS}, sends: [3, 0], {ONE}}}", "want sizes of pieces in bytes, each at least 1"),
        (f"{{from: shop/client, to: shop/nobody, port: 8080, {ONE}}}", "no pod"),
        (f"{{{ENDS}, {ONE}}}\n    - {{{ENDS}, family: 4, {ONE}}}", "is listed already at"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_at_its_line(exchange: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ManifestError) as caught:
        loaded(tmp_path, exchange)
    assert said in str(caught.value)
    assert "scenario.yaml:" in str(caught.value)


def test_exchanges_are_judged_where_no_way_around_policy_is_tried(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="exchanges and requests are judged where no way around policy is tried"):
        loaded(tmp_path, f"{{{ENDS}, {ONE}}}", more="technique: exempt uid\n")
