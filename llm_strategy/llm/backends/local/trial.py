"""A model file that is new to this machine is tried by a process of its own, before this one opens it.

An engine may end its process over a damaged file, and a chat template or a vocabulary may ask for any amount of memory
and time. What the other process comes to is noted by the file's hash, so that a file is tried once for each engine.
"""

from __future__ import annotations

import hashlib
import json
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Literal, TypeAlias

from llm_strategy.errors import BacktraderLLMError, ModelNotLoaded
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models.catalogue import KNOWN_MODELS
from llm_strategy.llm.models.chat_template import ChatTemplate
from llm_strategy.llm.models.fingerprint import cache_folder, keep_note, known_sha256, weights_sha256
from llm_strategy.llm.models.gguf import Metadata, check_file, read_metadata
from llm_strategy.llm.models.vocabulary import Vocabulary
from llm_strategy.llm.requests import Message

Engine: TypeAlias = Literal["local_llama", "llama_cpp"]

HEAD_SECONDS = 10
"""Of a processor, for reading a file's head, compiling its chat template and rendering it: what else a machine does is
no fault of a file."""
HEAD_BYTES = 2_000_000_000
"""Memory for the same, besides the file itself, which is mapped."""
LOAD_SECONDS, LOAD_BYTES_PER_SECOND = 60.0, 20e6
"""For loading the model and one short answer: so many seconds, and more for a large file."""
_SYSTEM, _USER, _ASSISTANT = Message("system", "text"), Message("user", "text"), Message("assistant", "text")
_CONVERSATIONS = ((_SYSTEM, _USER), (_USER,), (_SYSTEM, _USER, _ASSISTANT, _USER))
"""One of each kind that is asked of a model."""
_BEYOND_ALL_BOUNDS = (MemoryError, OverflowError, RecursionError)
_PACKAGES = {"local_llama": "gpt4all", "llama_cpp": "xllamacpp"}
_HARMLESS = frozenset(model.sha256 for model in KNOWN_MODELS.values())


def try_model(engine: Engine, path: Path, options: Mapping[str, Any]) -> None:
    """See in another process that an engine loads a model file and answers, unless that is known.

    ``options`` are plain data for the client's constructor. Raises ``ModelNotLoaded`` where the other process crashes,
    takes too long, or finds that the file cannot be used; what else it meets is left for this process to meet.
    """
    digest = known_sha256(path)
    if digest is None:
        check_file(path)
        digest = weights_sha256(path)
    if digest in _HARMLESS:
        return
    try:
        installed = version(_PACKAGES[engine])
    except PackageNotFoundError:  # the client says so
        return
    tried = json.dumps([digest, engine, installed, dict(options)], sort_keys=True)
    note = cache_folder() / "trials" / f"{hashlib.sha256(tried.encode()).hexdigest()}.json"
    if note.is_file():
        return
    limit = LOAD_SECONDS + path.stat().st_size / LOAD_BYTES_PER_SECOND
    question = json.dumps({"engine": engine, "path": str(path), "options": dict(options), "head_seconds": HEAD_SECONDS})
    try:
        trial = subprocess.run(
            [sys.executable, "-m", __name__],
            input=question,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=limit,
        )
    except subprocess.TimeoutExpired:
        raise ModelNotLoaded(
            f"{engine} did not load {path} and answer within {limit:.0f} s: fetch the file again, or choose another "
            "model."
        ) from None
    if trial.returncode < 0:
        raise ModelNotLoaded(_ended(-trial.returncode, engine, path))
    try:
        problem = json.loads(trial.stdout.splitlines()[-1])["problem"]
    except (ValueError, IndexError, KeyError, TypeError):
        raise ModelNotLoaded(
            f"{engine} ends its process over {path} (exit code {trial.returncode}): fetch the file again, or choose "
            "another model."
        ) from None
    if problem:
        raise ModelNotLoaded(problem)
    keep_note(note, tried + "\n")


def _ended(number: int, engine: Engine, path: Path) -> str:
    if number == getattr(signal, "SIGPROF", None):
        return (
            f"The head or the chat template of {path} was not read within {HEAD_SECONDS} s: fetch the file again, or "
            "choose another model."
        )
    name = signal.Signals(number).name if number in set(signal.Signals) else str(number)
    return f"{engine} ends its process over {path} ({name}): fetch the file again, or choose another model."


def _main() -> None:
    """The other process: a question on standard input, what is wrong with the file on standard output."""
    asked = json.load(sys.stdin)
    path = Path(asked["path"])
    problem = ""
    try:
        with _bounded(path, asked["head_seconds"]):
            metadata = read_metadata(path)
            _render(metadata)
        with _client(asked["engine"], path, asked["options"]) as client:
            client.generate("Ready?", max_tokens=1, json_mode=False)
    except ModelNotLoaded as refused:
        problem = str(refused)
    except _BEYOND_ALL_BOUNDS:
        problem = (
            f"The head or the chat template of {path} asks for more memory than any model needs: fetch the file again, "
            "or choose another model."
        )
    except BacktraderLLMError:  # a card that is absent, an engine that is not installed: not the file's
        pass
    sys.stdout.write("\n" + json.dumps({"problem": problem}) + "\n")


def _render(metadata: Metadata) -> None:
    """What clients make of a head, for each kind of conversation."""
    if source := metadata.text("tokenizer.chat_template"):
        template = ChatTemplate(source, metadata.special_token("bos"), metadata.special_token("eos"))
        vocabulary = Vocabulary(metadata)
        for messages in _CONVERSATIONS:
            try:
                vocabulary.prompt(template.render(messages))
            except ModelNotLoaded:
                raise
            except BacktraderLLMError as refused:  # it may take other conversations
                if isinstance(refused.__cause__, _BEYOND_ALL_BOUNDS):
                    raise refused.__cause__ from None


def _client(engine: Engine, path: Path, options: dict[str, Any]) -> LLMClient:
    if engine == "local_llama":
        from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend

        return LLMClient(Gpt4AllBackend(path, **options))
    from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
    from llm_strategy.llm.backends.local.llama_cpp_load import engine_options

    return LLMClient(LlamaCppBackend(path, engine_options(options)))


@contextmanager
def _bounded(path: Path, seconds: int) -> Iterator[None]:
    """Bound memory and time of this process, where the system knows how."""
    try:
        import resource
    except ImportError:  # Windows
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (HEAD_BYTES + path.stat().st_size, hard))
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


if __name__ == "__main__":
    _main()
