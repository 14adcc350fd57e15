"""A model file is not opened where all that is asked of it is known already."""

import os
import shutil
import subprocess
import sys

import pytest

from llm_strategy.errors import ModelNotLoaded
from llm_strategy.llm.backends.local.advice_adapter import AdviceAdapter, packaged_adapter
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.head import Head, read_head

_RUN_FROM_RECORD = """
import sys
opened = []
sys.addaudithook(lambda event, given: event == "open" and ".gguf" in str(given[0]) and opened.append(given[0]))
from llm_strategy import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.llm import MemoryStore, RecordingClient, get_llm_client
from llm_strategy.llm.requests import Generation, request_hash
from simulator.prices.load import load_prices
from simulator.runs.simulation import snapshots
client = get_llm_client()
store = MemoryStore()
seen = snapshots(load_prices("synthetic:cycles?bars=280"))
recording = RecordingClient(client, client.identity, store)
advisor = ModelAdvisor(recording, options=PromptOptions(mode="slots"))
writer = advisor.begin()
text = '{"regime": {"label": "bull"}, "action": {"type": "hold", "confidence": 0.70}, "rationale": "Calm."}'
for snapshot in seen:
    for request in writer.known_requests(snapshot):
        store.put(request_hash(request, client.identity), Generation(text, 1, 1, 1.0))
    writer.witness(snapshot)
print({str(decision.status) for decision in advisor.decide_all(seen)}, len(seen), opened)
"""


@pytest.mark.parametrize("backend", ["local_llama", "llama_cpp"])
def test_no_model_file_is_opened_where_every_answer_is_on_record(model_path, backend):
    environment = os.environ | {"LLM_BACKEND": backend, "LLM_MODEL": "smollm2-135m"}
    known = read_head(model_path)  # noted in the user's cache folder
    AdviceAdapter.of_file(packaged_adapter())  # as this is
    assert known.architecture == "llama"
    done = subprocess.run(
        [sys.executable, "-c", _RUN_FROM_RECORD], capture_output=True, text=True, env=environment, timeout=120
    )
    assert (done.stdout, done.stderr) == ("{'advised'} 11 []\n", "")


def test_a_head_says_what_the_whole_metadata_says(model_path, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    read, remembered = read_head(model_path), read_head(model_path)
    assert read == remembered == Head.of(read_metadata(model_path))
    assert list((tmp_path / "heads").iterdir())


def test_a_file_that_changes_is_read_again(model_path, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    other = tmp_path / "other.gguf"
    shutil.copy(model_path, other)
    read_head(other)
    with other.open("r+b") as file:
        file.truncate(5_000)
    with pytest.raises(ModelNotLoaded, match="cut short"):
        read_head(other)


@pytest.mark.parametrize("note", ["[]", '{"form": 1}', "no JSON", '{"form": 1, "bos_token": true}'])
def test_a_note_that_says_something_else_is_not_believed(model_path, tmp_path, monkeypatch, note):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    known = read_head(model_path)
    (file,) = (tmp_path / "heads").iterdir()
    file.write_text(note)
    assert read_head(model_path) == known
