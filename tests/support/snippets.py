"""The blocks of code of the documentation, and how each kind of them is run.

A block whose title begins with ``needs`` (a server, the network, credentials) is read and checked, and not run:
Python is compiled, an experiment is built, a command's words are parsed. Every other block is run as it stands.
"""

import json
import re
import sys
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
import yaml

from llm_strategy import read_checklist
from llm_strategy.llm.backends.sections import SECTIONS as BACKENDS
from llm_strategy.llm.settings import SETTINGS_FILE, LlmSettings, load_settings
from llm_strategy.support.strict_yaml import parse_yaml
from simulator.cli.main import app, main
from simulator.experiment.configuration import Experiment
from simulator.experiment.schema import experiment_schema
from simulator.hypotheses.statement import Hypothesis
from simulator.runs.advise import advise_at
from simulator.sweeps.document import Sweep, sweep_schema

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
_BLOCK = re.compile(r"^```(?P<language>\w*)(?P<info>[^\n]*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_EXPERIMENT = set(experiment_schema()["properties"])
_SWEEP = set(sweep_schema()["properties"])
_RUNTIME = {*LlmSettings.model_fields, *BACKENDS}
_PARSED_ONLY = re.compile(
    "demo|doctor|view|audit-memory|models|documents|open-holdout|checklist|run|check-lookahead|forget|hypotheses|"
    "trials check|analytics|compare|sweep|watch|train"
)
"""Commands that take long, open a browser, need a server or the network, or what no reader's folder has; each has tests
of its own."""
_ran = set()


class Snippet(NamedTuple):
    """A block with what its fence says and where it stands."""

    page: str
    line: int
    language: str
    needs: str
    text: str


def snippets(page, finished=""):
    """The blocks of a page; the folder ``finished`` stands in them for every run that they name."""
    text = page.read_text(encoding="utf-8")
    text = re.sub(r"\breports/[\w.-]+-[0-9a-f]{8}\b", str(finished), text) if finished else text
    for block in _BLOCK.finditer(text):
        title = re.search(r'title="needs ([^"]*)"', block["info"])
        line = text.count("\n", 0, block.start()) + 1
        yield Snippet(page.name, line, block["language"], title[1] if title else "", block["text"])


def run_python(snippet, namespace):
    """Run Python in the namespace of its page, so that a block may use what stood above it."""
    code = compile(snippet.text, f"{snippet.page}:{snippet.line}", "exec")
    if not snippet.needs:
        exec(code, namespace)  # noqa: S102 - the documentation's own code


def run_yaml(snippet, client):
    """Settings of each kind: an experiment decides once for each of its advisors, others are read."""
    document = parse_yaml(snippet.text, snippet.page)
    keys = set(document)
    if keys <= _EXPERIMENT:
        run_experiment(document, client, ask=not snippet.needs)
    elif keys <= _SWEEP:
        Sweep.from_mapping(document, snippet.page)
    elif keys <= _RUNTIME:
        SETTINGS_FILE.parent.mkdir(exist_ok=True)
        SETTINGS_FILE.write_text(snippet.text, encoding="utf-8")
        load_settings()
        SETTINGS_FILE.unlink()
    elif keys <= {"conditions", "direction", "horizon", "effect"}:
        Hypothesis.from_document(document, snippet.page)
    elif keys <= {"items", "limits", "analytics"}:
        read_checklist(document)
    else:
        pytest.fail(f"{snippet.page}:{snippet.line}: these keys are no settings: {sorted(keys)}")


def run_experiment(document, client, *, ask):
    """The experiment over a few bars: each of its advisors is asked for one decision, which must come out."""
    small = {"name": "snippet", "data": {"source": "csv:prices.csv"}}
    path = Path("snippet.yaml")
    path.write_text(yaml.safe_dump(small | document, sort_keys=False), encoding="utf-8")
    experiment = Experiment.from_file(path)
    symbol = next(iter(experiment.data.sources or [None]))
    if ask:
        for arm in experiment.plan:
            if arm.config is not None:
                decision = advise_at(experiment, client=client, symbol=symbol, advisor=arm.name).decision
                assert decision.advice is not None, (arm.name, decision)


def commands_of(snippet):
    """The words of each line that calls ``btllm``: without the prompt, what is told behind it, and variables before."""
    for line in snippet.text.splitlines():
        line = re.split(r"\s{2,}|\s#", line.strip().removeprefix("$ "))[0]
        for part in line.split(" && "):
            if match := re.fullmatch(r"(?:[A-Z_]+=\S+ )*btllm( .*)?", part.strip()):
                yield (match[1] or "").split()


def run_command(words, run=False):
    """Run a command in this process, once for all pages, or (a long one, unless told to ``run``) parse its words.
    Gives what it printed."""
    check_words(words)
    line = " ".join(words)
    if not words or (_PARSED_ONLY.match(line) and not run) or line in _ran:
        return ""
    _ran.add(line)
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        patch.setattr(sys, "argv", ["btllm", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code in (0, None), (line, err.getvalue())
    return out.getvalue()


def check_words(words):
    """Every word is a command, an argument or an option that there is."""
    command, context, rest = typer.main.get_command(app), None, list(words)
    while rest and hasattr(command, "commands") and not rest[0].startswith("-"):
        usual = getattr(command, "usual", None)
        name = usual if usual and rest[0] not in command.commands else rest.pop(0)
        assert name in command.commands, f"btllm {' '.join(words)}: there is no command {name}"
        command = command.commands[name]
    command.make_context("btllm", rest, parent=context, resilient_parsing=hasattr(command, "commands"))


def run_snippet(snippet, namespace, client):
    """Run a block by its language; one that nothing here can run has the language ``text``."""
    if snippet.language == "python":
        run_python(snippet, namespace)
    elif snippet.language == "yaml":
        run_yaml(snippet, client)
    elif snippet.language == "json":
        json.loads(snippet.text)
    elif snippet.language in ("", "bash"):
        for words in commands_of(snippet):
            (check_words if snippet.needs else run_command)(words)
    else:
        assert snippet.language in ("text", "csv", "jinja"), f"{snippet.page}:{snippet.line}: say what this is"
