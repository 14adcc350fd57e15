"""Training on a tiny model: what is learned, what a cut costs, and that llama.cpp computes what was trained."""

import json
from collections import Counter
from itertools import islice

import pytest
from small_run import small
from tiny_llama import BLOCKS, write_model

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("peft")

from llm_strategy.errors import ConfigurationError  # noqa: E402
from llm_strategy.llm import LLMClient, Message, Request  # noqa: E402
from llm_strategy.llm.backends.local.advice_adapter import AdviceAdapter  # noqa: E402
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend  # noqa: E402
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions  # noqa: E402
from simulator.training.adapter import AdapterFolder, train_adapter  # noqa: E402
from simulator.training.judge import judge_adapter  # noqa: E402
from simulator.training.lora import Base, train  # noqa: E402
from simulator.training.options import training_options  # noqa: E402
from simulator.training.rows import by_prompt, read_rows, write_rows  # noqa: E402
from simulator.training.tokens import make_examples  # noqa: E402

CHOICES = (" bull", " bear")
OPTIONS = training_options(steps=24, batch=8, rank=4, blocks=2, learning_rate=0.02, threads=1)
STATES = [f"{trend} {volatility}" for trend in ("up", "flat", "down") for volatility in ("low", "high")]


def messages(state):
    return Message("system", "Regime"), Message("user", state)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model, data in which the trend decides, and what came of training."""
    place = tmp_path_factory.mktemp("training")
    write_model(place / "tiny.gguf")
    rows = Counter()
    for state in STATES:
        rows[messages(state), " bull enter_long"] += 1 if state.startswith("down") else 9
        rows[messages(state), " bear exit"] += 9 if state.startswith("down") else 1
    write_rows(
        place / "data.jsonl",
        rows,
        {
            "layout": "brief",
            "label": "regime",
            "runs": [],
            "synthetic": ["synthetic:calm?seed=1"],
            "before": None,
            "decisions": 60,
            "prompts": 6,
            "labels": {"bull": 42},
            "dropped": {},
        },
    )
    train_adapter(place / "data.jsonl", place / "tiny.gguf", place / "made", OPTIONS, merge=True)
    return place


@pytest.fixture(scope="module")
def made(folder):
    return AdapterFolder.read(folder / "made")


def score(model, adapter, state):
    options = EngineOptions(256, 1, adapter=None if adapter is None else AdviceAdapter.of_file(adapter))
    with LLMClient(LlamaCppBackend(model, options)) as client:
        return client.score(Request(messages(state), adapter=client.identity.adapter), CHOICES)


def test_the_adapter_learns_what_its_twin_cannot(folder, made):
    losses = made.record["losses"]
    assert losses["adapter"][-1] < 0.5 * losses["adapter"][0]
    up, down = (score(folder / "tiny.gguf", made.adapter, state)[" bull"] for state in ("up low", "down low"))
    assert up > 0.7 > 0.3 > down
    plain = score(folder / "tiny.gguf", None, "up low")
    assert plain != score(folder / "tiny.gguf", made.twin, "up low")


def test_llama_cpp_computes_what_was_trained(folder, made):
    base = Base(folder / "tiny.gguf")
    data = make_examples(by_prompt(read_rows(folder / "data.jsonl")), base.writer, OPTIONS.seed)
    trained = train(base, data, OPTIONS, folder / "again.checkpoint")
    assert [round(loss, 5) for loss in trained.losses] == made.record["losses"]["adapter"]
    base.use_blocks(0, BLOCKS)
    scale = OPTIONS.alpha / OPTIONS.rank
    with torch.no_grad():
        for (block, name), (first, second) in trained.matrices.items():
            part = base.blocks[block].self_attn if name in ("q_proj", "v_proj") else base.blocks[block].mlp
            getattr(part, name).weight += scale * torch.tensor(second @ first)
        for state in islice(STATES, 3):
            tokens = [*base.writer.prompt(messages(state)), *base.writer.answer(" b")]
            logs = torch.log_softmax(base.model(torch.tensor([tokens])).logits[0, -1], -1)
            ways = [logs[base.writer.answer(text)[0]].exp().item() for text in ("u", "e")]
            expected = ways[0] / sum(ways)
            assert score(folder / "tiny.gguf", made.adapter, state)[" bull"] == pytest.approx(expected, abs=0.01)
            assert score(folder / "made" / "merged.gguf", None, state)[" bull"] == pytest.approx(expected, abs=0.01)


def test_training_that_was_cut_off_comes_to_the_same_weights(folder, tmp_path):
    base = Base(folder / "tiny.gguf")
    data = make_examples(by_prompt(read_rows(folder / "data.jsonl")), base.writer, OPTIONS.seed)
    whole = train(base, data, OPTIONS, tmp_path / "whole")

    def cut(step, loss):
        if step == 17:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(base, data, OPTIONS, tmp_path / "cut", cut)
    steps = []
    resumed = train(base, data, OPTIONS, tmp_path / "cut", lambda step, loss: steps.append(step))
    assert steps[0] == 11
    assert resumed.losses == whole.losses
    for key, pair in whole.matrices.items():
        assert all((one == other).all() for one, other in zip(pair, resumed.matrices[key], strict=True))


def test_a_folder_tells_what_its_adapter_is_made_of(folder, made):
    page = (made.folder / "README.md").read_text()
    assert "No real price was seen in training." in page
    assert "synthetic:calm?seed=1" in page
    assert (made.folder / "loss.svg").read_text().startswith("<svg")
    assert not [*made.folder.glob("*.checkpoint")]
    record = json.loads((made.folder / "training.json").read_text())
    assert record["files"].keys() == {"adapter.gguf", "merged.gguf", "twin.gguf"}


def test_a_model_of_another_architecture_is_told(folder, tmp_path):
    other = (folder / "tiny.gguf").read_bytes().replace(b"\x05\0\0\0\0\0\0\0llama", b"\x05\0\0\0\0\0\0\0lxama", 1)
    (tmp_path / "other.gguf").write_bytes(other)
    with pytest.raises(ConfigurationError, match="architecture lxama, and those of the architecture llama are trained"):
        Base(tmp_path / "other.gguf")


def test_the_judge_sets_base_adapter_twin_and_rule_side_by_side(folder, made, tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("LLM_THREADS", "1")
    experiment = small(
        tmp_path,
        data={"source": "synthetic:cycles?bars=440&seed=5"},
        advisor={"model": str(folder / "tiny.gguf")},
        evaluation={"bootstrap_samples": 100, "placebos": 19},
    )
    judged = judge_adapter(made, experiment, tmp_path / "judged", closes=20)
    arms = ["regime_rule", "base", "base, same prompt", "adapter", "twin"]
    assert [one.arm for one in judged.scores[:5]] == arms
    markets = {one.market for one in judged.scores}
    assert markets == {"CYCLES", "calm 7", "calm 8", "cycles 7", "cycles 8", "crash 7", "crash 8"}
    adapter, base = judged.score("crash 7", "adapter"), judged.score("crash 7", "base")
    assert adapter.valid == 1
    assert adapter.tokens < base.tokens
    assert adapter.kappa_true is not None
    assert judged.score("CYCLES", "adapter").kappa_true is not None
    assert {arm.name for arm in judged.result.record.arms} >= {"adapter", "base", "twin", "regime_rule", "buy_and_hold"}
    assert judged.result.facts["adapter.asked.adapter"].text.startswith("brief@")
    assert "Verdict on the adapter's advice" in (tmp_path / "judged" / "judge.md").read_text()
