"""Servers that speak like OpenAI and have a name of their own: where each usually is, and where its key usually stands.

``LLM_BACKEND=groq`` is the backend ``openai`` at that address; a service is added here and nowhere else.
"""

from __future__ import annotations

from dataclasses import dataclass


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
