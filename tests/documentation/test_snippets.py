"""Every block of code in README, CONTRIBUTING and docs runs: in this process, over a few bars, on a model of a file."""

import re
import shutil
from pathlib import Path

import matplotlib
import pandas as pd
import pytest
from answering_backend import Answering
from snippets import PAGES, ROOT, run_command, run_snippet, snippets

import simulator
from llm_strategy.llm import LLMClient

pytestmark = pytest.mark.slow

WITH_CODE = [page for page in PAGES if any(snippets(page))]
SMALL = "evaluation: {bootstrap_samples: 100, placebos: 0}\noutput: {explain: false}\n"


@pytest.fixture(scope="module")
def workshop(tmp_path_factory):
    """The working folder of a reader: the examples, prices, the README's experiment, and a finished run of it."""
    folder = tmp_path_factory.mktemp("workshop")
    shutil.copytree(ROOT / "examples", folder, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    prices = simulator.load_prices("synthetic:cycles?bars=285&seed=5").table
    prices.index = pd.bdate_range(end="2008-10-17", periods=len(prices), name="time")  # days that the pages name
    prices.to_csv(folder / "prices.csv")
    shutil.copy(folder / "prices.csv", folder / "my.csv")
    backend = shutil.copy(ROOT / "tests" / "support" / "answering_backend.py", folder)
    (written,) = (snippet.text for snippet in snippets(ROOT / "README.md") if snippet.language == "yaml")
    (folder / "experiment.yaml").write_text(written + SMALL, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("BTLLM_CACHE_DIR", str(folder / "cache"))
        patch.setenv("BTLLM_DATA_DIR", str(folder / "data"))
        patch.setenv("LLM_BACKEND", f"{backend}:Answering")
        matplotlib.use("agg")
        said = run_command(["compare", "experiment.yaml", "--quiet"], run=True)
        yield Path(said.strip()).parent


@pytest.fixture(scope="module")
def client():
    with LLMClient(Answering()) as client:
        yield client


@pytest.mark.parametrize("page", WITH_CODE, ids=[str(page.relative_to(ROOT)) for page in WITH_CODE])
@pytest.mark.filterwarnings("ignore:DatetimeIndex.dayofweek")  # backtesting.py's own
def test_every_block_of_code_runs(page, workshop, client):
    namespace = {}
    for snippet in snippets(page, workshop):
        try:
            run_snippet(snippet, namespace, client)
        except Exception as problem:
            problem.add_note(f"{snippet.page}:{snippet.line}")
            raise


def test_the_page_of_the_run_folder_names_every_file_of_a_run(workshop):
    page = (ROOT / "docs" / "run-folder.md").read_text(encoding="utf-8")
    files = {re.sub(r"-\d{8}T[\d.]+(?=\.jsonl)", "-TIME", one.name) for one in workshop.rglob("*") if one.is_file()}
    assert "placebos.json" in files
    assert {name for name in files if f"`{name}`" not in page} == set()
