"""The command in an error's cure is one that works, wherever the program was installed from."""

import re
from importlib.metadata import PackageNotFoundError, requires

import pytest

from llm_strategy.llm.services import install_hint


@pytest.mark.parametrize("extra", ["openai", "bedrock", "hub", "llama-cpp", "engines"])
def test_a_hint_names_the_packages_of_the_extra_and_not_ours(extra):
    hint = install_hint(extra)
    assert hint.startswith("pip install '")
    assert "backtrader-llm" not in hint
    named = re.findall(r"'([^']+)'", hint)
    declared = [line for line in requires("backtrader-llm") if f'extra == "{extra}"' in line]
    assert len(named) == len(declared) >= 1
    assert all(any(line.startswith(name) for line in declared) for name in named)


def test_where_nothing_is_declared_the_extra_is_named(monkeypatch):
    def not_installed(name):
        raise PackageNotFoundError(name)

    assert install_hint("nothing") == "pip install 'backtrader-llm[nothing]'"
    monkeypatch.setattr("llm_strategy.llm.services.requires", not_installed)
    assert install_hint("openai") == "pip install 'backtrader-llm[openai]'"
