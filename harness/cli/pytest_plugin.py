"""What pytest loads wherever meshproof is installed: one option and one setting, and nothing more until either is given.

Everything else, the other options among them, is in ``pytest_cases``: a project that has meshproof for another reason pays
no import for it, and keeps option names like ``--dataplane`` for itself.
"""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what turns the plugin on."""
    turned_on = "collect conformance cases (scenario.yaml), an item a case and data plane; running them needs root"
    parser.getgroup("meshproof").addoption("--meshproof", action="store_true", help=turned_on)
    parser.addini("meshproof", f"as --meshproof: {turned_on}", type="bool", default=False)


@pytest.hookimpl(tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config, parser: pytest.Parser, args: list[str]) -> None:
    """Register the rest early enough for its own options to be parsed."""
    if early_config.known_args_namespace.meshproof or early_config.getini("meshproof"):
        from harness.cli import pytest_cases  # noqa: PLC0415 -- see above

        early_config.pluginmanager.register(pytest_cases, "meshproof-cases")
