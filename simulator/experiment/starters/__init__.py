"""Commented starter files, written by ``btllm init``; the demo runs the experiment as it stands."""

from importlib.resources import files


def starter_text(name: str = "experiment.yaml") -> str:
    """The text of a starter: ``experiment.yaml``, or ``llm.yaml`` for the settings of the model runtime."""
    return (files(__name__) / name).read_text(encoding="utf-8")
