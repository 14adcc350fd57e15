"""Training a low-rank adapter (LoRA: Hu et al. 2021) with torch, transformers and peft, from a model's GGUF file.

Only the last blocks are adapted, so what the blocks before them make of the examples is computed once and kept. Each
step depends on seed and number alone, and a checkpoint is written whole: training that was killed goes on to the very
weights that it would have come to.
"""

from __future__ import annotations

import hashlib
import inspect
import io
import json
import math
import os
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from llm_strategy.errors import BackendMissing, ConfigurationError
from llm_strategy.llm.backends.local.llama_cpp import PLAIN_TEMPLATE
from llm_strategy.llm.models.chat_template import ChatTemplate
from llm_strategy.llm.models.fingerprint import weights_sha256
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.vocabulary import Vocabulary
from llm_strategy.support.write_whole import whole_file
from simulator.training.options import TARGETS, TrainingOptions
from simulator.training.tokens import Examples, PromptWriter

INSTALL = "btllm train needs torch, transformers, peft and gguf: pip install 'backtrader-llm[train]'."
ARCHITECTURE = "llama"
"""The one whose matrices are known by name in both worlds."""
CHECKPOINT_EVERY = 10
"""Steps."""
_READ_AT_ONCE = 32

_OF_ATTENTION = ("q_proj", "v_proj")

Matrix: TypeAlias = NDArray[np.float32]
OnStep: TypeAlias = Callable[[int, float], None]
"""Hears the number of steps done and the loss of the last."""
OnCount: TypeAlias = Callable[[int, int], None]
"""Hears how much is done of how much."""


@dataclass(frozen=True)
class Trained:
    """An adapter: ``matrices`` by the number of the block and the name of the matrix, each a pair of arrays, of shapes
    (rank, inputs) and (outputs, rank); and the loss of each step (nats a token of an answer)."""

    matrices: dict[tuple[int, str], tuple[Matrix, Matrix]]
    losses: list[float]


class Base:
    """A model taken from its GGUF file in float32, to be adapted once or several times. Raises ``BackendMissing``
    without the packages of the extra ``train``, and ``ConfigurationError`` for a model of an architecture that cannot
    be trained here."""

    def __init__(self, path: Path) -> None:
        metadata = read_metadata(path)
        if (architecture := metadata.text("general.architecture")) != ARCHITECTURE:
            raise ConfigurationError(
                f"{path} is a model of the architecture {architecture or 'that it does not name'}, and those of the "
                f"architecture {ARCHITECTURE} are trained: choose smollm2-135m, or another of them."
            )
        self.path, self.sha256 = path, weights_sha256(path)
        with _quiet():
            try:
                import peft  # noqa: F401 - looked for before anything is loaded
                import torch
                from transformers import AutoModelForCausalLM, AutoTokenizer
            except ImportError:
                raise BackendMissing(INSTALL) from None
            folder, file = str(path.parent), path.name
            tokenizer = AutoTokenizer.from_pretrained(folder, gguf_file=file, local_files_only=True)
            self.model: Any = AutoModelForCausalLM.from_pretrained(
                folder, gguf_file=file, local_files_only=True, dtype=torch.float32
            )
        self.heads = (self.model.config.num_attention_heads, self.model.config.num_key_value_heads)
        self.blocks, self.norm = list(self.model.model.layers), self.model.model.norm
        self._read: dict[tuple[int, ...], Any] = {}
        self._read_behind: tuple[int, tuple[int, ...]] = (-1, ())
        template = metadata.text("tokenizer.chat_template") or PLAIN_TEMPLATE
        self.writer = PromptWriter(
            ChatTemplate(template, metadata.special_token("bos"), metadata.special_token("eos")),
            Vocabulary(metadata),
            lambda text: list(tokenizer(text, add_special_tokens=False).input_ids),
        )

    def use_blocks(self, first: int, last: int) -> Any:
        """The model's core with the blocks from ``first`` to before ``last`` alone; the norm follows the last block."""
        import torch

        core, blocks = self.model.model, self.blocks[first:last]
        for number, block in enumerate(blocks):
            block.self_attn.layer_idx = number
        core.layers = torch.nn.ModuleList(blocks)
        core.norm = self.norm if last == len(self.blocks) else torch.nn.Identity()
        return core

    def states(self, data: Examples, blocks: int, on_read: OnCount) -> tuple[Any, list[Any]]:
        """What the first ``blocks`` make of the beginning that all examples share, and of what follows in each: tensors
        of shape (tokens, width)."""
        import torch

        shared = data.shared
        if self._read_behind != (blocks, shared):
            self._read, self._read_behind = {}, (blocks, shared)
        core = self.use_blocks(0, blocks)
        rests = [example.tokens[len(shared) :] for example in data.examples]
        missing = sorted({rest for rest in rests if rest not in self._read}, key=lambda rest: (len(rest), rest))
        with torch.no_grad():
            begun, memory = read_together(core, input_ids=torch.tensor([shared])) if shared else (None, None)
            for begin in range(0, len(missing), _READ_AT_ONCE):
                some = missing[begin : begin + _READ_AT_ONCE]
                hidden, _ = read_together(core, memory, input_ids=_padded(some))
                for rest, state in zip(some, hidden, strict=True):
                    self._read[rest] = state[: len(rest)].clone()
                on_read(begin + len(some), len(missing))
        return begun, [self._read[rest] for rest in rests]


def train(
    base: Base,
    data: Examples,
    options: TrainingOptions,
    checkpoint: Path,
    on_step: OnStep = lambda step, loss: None,
    on_read: OnCount = lambda done, total: None,
) -> Trained:
    """Train an adapter of these examples, or go on from the ``checkpoint`` of the same training. Raises
    ``ConfigurationError`` where a checkpoint cannot be written."""
    run = _Run(base, data, options)
    try:
        key = _key(base, data, options)
        losses = run.resume(checkpoint, key)
        if len(losses) < options.steps:
            run.begun, run.states = base.states(data, run.first, on_read)
            base.use_blocks(run.first, len(base.blocks))
        for step in range(len(losses), options.steps):
            losses.append(run.step(step))
            on_step(step + 1, losses[-1])
            if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == options.steps:
                run.keep(checkpoint, key, losses)
        return Trained(run.matrices(), losses)
    finally:
        run.end()


class _Run:
    """A training under way: the adapted blocks and the optimiser."""

    def __init__(self, base: Base, data: Examples, options: TrainingOptions) -> None:
        import torch
        from peft import LoraConfig, get_peft_model

        if options.threads is not None:
            torch.set_num_threads(options.threads)
        self._options, self._examples = options, data.examples
        self._skipped = len(data.shared)
        self.begun: Any = None
        self.states: list[Any] = []
        self.first = max(0, len(base.blocks) - options.blocks)
        base.use_blocks(self.first, len(base.blocks))
        torch.manual_seed(options.seed)
        with _quiet():
            self._adapted: Any = get_peft_model(
                base.model,
                LoraConfig(
                    r=options.rank,
                    lora_alpha=options.alpha,
                    target_modules=list(TARGETS),
                    lora_dropout=0.0,
                    bias="none",
                ),
            )
        self._core, self._head = base.model.model, base.model.lm_head
        self._parameters = {name: one for name, one in self._adapted.named_parameters() if one.requires_grad}
        self._optimiser = torch.optim.AdamW(self._parameters.values(), lr=options.learning_rate, weight_decay=0.0)
        shares = np.sqrt(data.weights)
        self._shares = shares / shares.sum()

    def step(self, number: int) -> float:
        """One step of the optimiser; the loss before it."""
        import torch

        options = self._options
        random = np.random.default_rng([options.seed, number])
        size = min(options.batch, len(self._examples))
        drawn = random.choice(len(self._examples), size, replace=False, p=self._shares)
        for group in self._optimiser.param_groups:
            group["lr"] = options.learning_rate * _pace(number, options.steps)
        hidden = torch.nn.utils.rnn.pad_sequence([self.states[one] for one in drawn], batch_first=True)
        memory = None if self.begun is None else read_together(self._core, inputs_embeds=self.begun)[1]
        out, _ = read_together(self._core, memory, inputs_embeds=hidden)
        rows, places, tokens, shares, count = [], [], [], [], 0
        for row, one in enumerate(drawn):
            for place, wanted in self._examples[one].targets:
                rows.append((row, place - self._skipped))
                places += [count] * len(wanted)
                tokens += [token for token, _ in wanted]
                shares += [share for _, share in wanted]
                count += 1
        at = torch.tensor(rows)
        logs = torch.log_softmax(self._head(out[at[:, 0], at[:, 1]]), dim=-1)
        loss = -(logs[places, tokens] * torch.tensor(shares)).sum() / count
        self._optimiser.zero_grad()
        loss.backward()
        self._optimiser.step()
        return float(loss.detach())

    def resume(self, checkpoint: Path, key: str) -> list[float]:
        """The losses so far, with the weights as they were then; none where there is no checkpoint of this training."""
        import torch

        try:
            kept = torch.load(checkpoint, weights_only=True)
        except FileNotFoundError:
            return []
        except Exception:  # what a killed writer or another version left there
            return []
        if kept.get("key") != key:
            return []
        with torch.no_grad():
            for name, one in self._parameters.items():
                one.copy_(kept["weights"][name])
        self._optimiser.load_state_dict(kept["optimiser"])
        return [float(loss) for loss in kept["losses"]]

    def keep(self, checkpoint: Path, key: str, losses: list[float]) -> None:
        """Write a checkpoint whole."""
        import torch

        weights = {name: one.detach() for name, one in self._parameters.items()}
        kept = {"key": key, "losses": losses, "weights": weights, "optimiser": self._optimiser.state_dict()}
        try:
            with whole_file(checkpoint, "wb") as file:
                torch.save(kept, file)
        except OSError as problem:
            raise ConfigurationError(
                f"{checkpoint} cannot be written ({problem.strerror}): free space, or choose another --out."
            ) from None

    def matrices(self) -> dict[tuple[int, str], tuple[Matrix, Matrix]]:
        """The additions by block and matrix."""
        found = {}
        for number, layer in enumerate(self._core.layers):
            for name in TARGETS:
                adapted = layer.get_submodule(f"{'self_attn' if name in _OF_ATTENTION else 'mlp'}.{name}")
                pair = adapted.lora_A["default"].weight, adapted.lora_B["default"].weight
                first, second = (one.detach().numpy().copy() for one in pair)
                found[self.first + number, name] = (first, second)
        return found

    def end(self) -> None:
        """Take the additions off the model."""
        self._adapted.unload()


def _pace(step: int, steps: int) -> float:
    """Share of the learning rate: up over a tenth of the steps, then down along a cosine."""
    warm = max(1, steps // 10)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def read_together(core: Any, begun: Any = None, **given: Any) -> tuple[Any, Any]:
    """What the blocks make of several rows, a tensor of shape (rows, tokens, width), and their memory: all rows go on
    from the memory of the one beginning that they share (``begun``)."""
    from transformers import DynamicCache

    rows, memory = len(next(iter(given.values()))), DynamicCache()
    for number, block in enumerate(() if begun is None else begun.layers):
        memory.update(block.keys.expand(rows, -1, -1, -1), block.values.expand(rows, -1, -1, -1), number)
    name = "cache" if "cache" in inspect.signature(core.forward).parameters else "past_key_values"
    return core(**given, **{name: memory}, use_cache=True).last_hidden_state, memory


def _padded(rows: Sequence[tuple[int, ...]]) -> Any:
    """Rows of tokens with zeros behind them, which no token before them sees."""
    import torch

    return torch.nn.utils.rnn.pad_sequence([torch.tensor(row) for row in rows], batch_first=True)


def _key(base: Base, data: Examples, options: TrainingOptions) -> str:
    """What decides a training."""
    said = [base.sha256, options.as_dict(), [[one.tokens, one.targets] for one in data.examples], data.weights.tolist()]
    return hashlib.sha256(json.dumps(said).encode()).hexdigest()


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep what the libraries show of themselves off the terminal."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        yield
