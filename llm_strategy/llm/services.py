"""Servers that speak like OpenAI and have a name of their own, and the packages that a backend needs beside ours.

``LLM_BACKEND=groq`` is the backend ``openai`` at that address; a service is added here and nowhere else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires


@dataclass(frozen=True, slots=True)
class Service:
    """The usual address of a service, and the variable of its key; empty where it asks for none."""

    url: str
    key_variable: str = ""


SERVICES: dict[str, Service] = {
    "ollama": Service("http://127.0.0.1:11434/v1"),
    "vllm": Service("http://127.0.0.1:8000/v1"),
    "lmstudio": Service("http://127.0.0.1:1234/v1"),
    "llama_server": Service("http://127.0.0.1:8080/v1"),
    "together": Service("https://api.together.xyz/v1", "TOGETHER_API_KEY"),
    "groq": Service("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "deepseek": Service("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "openrouter": Service("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY"),
    "mistral": Service("https://api.mistral.ai/v1", "MISTRAL_API_KEY"),
}
"""By the name that stands in ``LLM_BACKEND``."""
OPENAI = "openai"
OPENAI_URL = "https://api.openai.com/v1"


def install_hint(extra: str) -> str:
    """``pip install`` with the packages of one of our extras, such as ``openai``: they are on the package index, from
    wherever backtrader-llm itself came."""
    try:
        declared = requires("backtrader-llm") or []
    except PackageNotFoundError:  # imported from a folder that was never installed
        declared = []
    of_extra = re.compile(rf"""([^;\s]+)\s*;\s*extra\s*==\s*['"]{re.escape(extra)}['"]""")
    packages = sorted(found[1] for line in declared if (found := of_extra.fullmatch(line.strip())))
    if not packages:
        return f"pip install 'backtrader-llm[{extra}]'"
    return f"pip install {' '.join(repr(name) for name in packages)}"
