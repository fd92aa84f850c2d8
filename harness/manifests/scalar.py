"""What an unquoted YAML scalar is, by the rules of the parser that kubectl uses.

Kubernetes reads YAML 1.1 with the integers of Go (``0x1f``, ``0o17``, ``017``, ``1_000``) and without sexagesimal
numbers or timestamps, which stay strings. Source: ``goyaml.v2/resolve.go`` of sigs.k8s.io/yaml.
"""

import re

Scalar = str | int | float | bool | None

_WORDS: dict[str, bool | float | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
    **dict.fromkeys((".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"), float("inf")),
    **dict.fromkeys(("-.inf", "-.Inf", "-.INF"), float("-inf")),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<b2>[01_]+)|0x(?P<b16>[0-9a-fA-F_]+)|0o?(?P<b8>[0-7_]+)|(?P<b10>0|[1-9][0-9_]*))"
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_DIGITS = 400  # beyond this no field of any manifest can hold the number; long ones are costly to convert


def resolve(text: str) -> Scalar:
    """The value of the plain scalar ``text``. A number of absurd length reads as infinity, which no field takes."""
    if text in _WORDS:
        return _WORDS[text]
    if whole := _INTEGER.fullmatch(text):
        for base in (2, 8, 10, 16):
            digits = whole.group(f"b{base}")
            if digits and digits.strip("_"):
                if len(digits) > _DIGITS:
                    return float("inf")
                return int(digits.replace("_", ""), base) * (-1 if whole["sign"] == "-" else 1)
    if _FLOAT.fullmatch(text):
        return float(text)
    return text
