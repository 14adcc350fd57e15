"""Model files made to crash, to hang or to use up memory: each is one sentence, and this process goes on."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llm_strategy.errors import ModelError, ModelNotLoaded
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.settings import LlmSettings

pytestmark = pytest.mark.slow

TEXT, LIST, NUMBER = 8, 9, 4


def _text(value):
    value = value if isinstance(value, bytes) else value.encode()
    return struct.pack("<Q", len(value)) + value


def _entry(key, kind, content):
    return _text(key) + struct.pack("<I", kind) + content


def _texts(*values, count=None):
    return struct.pack("<IQ", TEXT, len(values) if count is None else count) + b"".join(map(_text, values))


def _numbers(*values):
    return struct.pack(f"<IQ{len(values)}i", 5, len(values), *values)


def head(*entries, keys=None, tensors=0, behind=b""):
    count = len(entries) if keys is None else keys
    return b"GGUF" + struct.pack("<IQQ", 3, tensors, count) + b"".join(entries) + behind


NAME = _entry("general.architecture", TEXT, _text("llama"))
TOKENS = _entry("tokenizer.ggml.tokens", LIST, _texts("<s>", "a", "b"))


def with_template(source):
    return head(NAME, TOKENS, _entry("tokenizer.chat_template", TEXT, _text(source)))


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("backend", ["local_llama", "llama_cpp"])
@pytest.mark.parametrize(
    "template",
    [
        "{{ 'ab' * 10 ** 10 }}",
        "{% set big = 'x' * 10 ** 8 %}{% for m in messages %}{{ big }}{{ big }}{{ big * 90 }}{% endfor %}",
        "{{ 'a'.center(10 ** 11) }}",
    ],
)
def test_a_chat_template_that_eats_memory_is_one_sentence(cache, tmp_path, backend, template):
    path = tmp_path / "hungry.gguf"
    path.write_bytes(with_template(template))
    with pytest.raises(ModelNotLoaded, match=r"hungry\.gguf asks for more memory than any model needs: fetch the file"):
        get_llm_client(settings=LlmSettings(backend=backend, instruct_model_path=path))
    assert not (cache / "trials").exists()


def test_a_chat_template_that_never_ends_is_one_sentence(cache, tmp_path, monkeypatch):
    monkeypatch.setattr("llm_strategy.llm.backends.local.trial.HEAD_SECONDS", 3)
    path = tmp_path / "endless.gguf"
    path.write_bytes(with_template("{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}"))
    with pytest.raises(ModelNotLoaded, match=r"endless\.gguf was not read within 3 s: fetch the file again"):
        get_llm_client(settings=LlmSettings(backend="llama_cpp", instruct_model_path=path))


@pytest.mark.parametrize("backend", ["local_llama", "llama_cpp"])
def test_a_file_that_the_engine_cannot_use_is_one_sentence(cache, tmp_path, backend):
    path = tmp_path / "weightless.gguf"
    path.write_bytes(with_template("{% for m in messages %}{{ m.content }}{% endfor %}"))
    with pytest.raises(ModelNotLoaded, match=r"(gpt4all|llama\.cpp) cannot load .*weightless\.gguf"):
        get_llm_client(settings=LlmSettings(backend=backend, instruct_model_path=path))


def test_a_file_that_is_well_is_tried_once(cache, tmp_path, model_path):
    path = tmp_path / "copy.gguf"
    path.write_bytes(model_path.read_bytes() + b"\0")  # other bytes than the known model's
    wanted = LlmSettings(backend="llama_cpp", instruct_model_path=path, threads=1, context_tokens=512)
    get_llm_client(settings=wanted).close()
    (note,) = (cache / "trials").iterdir()
    written = note.stat().st_mtime_ns
    get_llm_client(settings=wanted).close()
    assert note.stat().st_mtime_ns == written


HEADS = {
    "alignment 0": (head(NAME, _entry("general.alignment", NUMBER, struct.pack("<I", 0))), "general.alignment is 0"),
    "alignment text": (head(NAME, _entry("general.alignment", TEXT, _text("32"))), "general.alignment is '32'"),
    "alignment 7": (head(NAME, _entry("general.alignment", NUMBER, struct.pack("<I", 7))), "multiple of 8"),
    "unknown type": (head(_entry("a", 99, b"")), "unknown type 99"),
    "unknown type in a list": (head(_entry("a", LIST, struct.pack("<IQ", 77, 1))), "unknown type 77"),
    "list of lists": (head(_entry("a", LIST, struct.pack("<IQ", LIST, 1) + _numbers(1))), "list of lists"),
    "deep lists": (head(_entry("a", LIST, struct.pack("<IQ", LIST, 1) * 5000)), "list of lists"),
    "endless list": (head(_entry("a", LIST, _texts(count=2**40))), "items of lists"),
    "endless numbers": (head(_entry("a", LIST, struct.pack("<IQ", 0, 2**63))), "items of lists"),
    "endless keys": (head(NAME, keys=2**50), "keys"),
    "endless tensors": (head(NAME, tensors=2**50), "tensors"),
    "endless axes": (head(NAME, tensors=1, behind=_text("w") + struct.pack("<I", 2**32 - 1)), "axes of a tensor"),
    "text beyond the end": (head(_text("a") + struct.pack("<IQ", TEXT, 2**62)), "ends within its metadata"),
    "too few token types": (
        head(NAME, TOKENS, _entry("tokenizer.ggml.token_type", LIST, _numbers(1, 1))),
        r"3 tokens and 2 in tokenizer\.ggml\.token_type",
    ),
    "too many token types": (
        head(NAME, TOKENS, _entry("tokenizer.ggml.token_type", LIST, _numbers(1, 1, 3, 3))),
        r"3 tokens and 4 in tokenizer\.ggml\.token_type",
    ),
    "tokens as numbers": (head(NAME, _entry("tokenizer.ggml.tokens", LIST, _numbers(1))), "no list of str"),
    "tokens as one text": (head(NAME, _entry("tokenizer.ggml.tokens", TEXT, _text("abc"))), "no list of str"),
    "context as text": (head(NAME, _entry("llama.context_length", TEXT, _text("many"))), "context_length is 'many'"),
    "context of nothing": (head(NAME, _entry("llama.context_length", NUMBER, b"\0\0\0\0")), "context_length is 0"),
}


@pytest.mark.parametrize(("content", "told"), HEADS.values(), ids=HEADS)
def test_a_head_that_is_no_models_is_one_sentence(tmp_path, content, told):
    path = tmp_path / "odd.gguf"
    path.write_bytes(content)
    with pytest.raises(ModelNotLoaded, match=told):
        read_metadata(path)


@settings(max_examples=200)
@given(st.data())
def test_any_head_is_read_or_refused(tmp_path_factory, data):
    content = bytearray(
        with_template("{{ messages }}")
        + head(NAME, TOKENS, _entry("tokenizer.ggml.token_type", LIST, _numbers(1, 2, 3)), tensors=1)
    )
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(4, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 8))] = data.draw(st.binary(max_size=12))
    path = tmp_path_factory.mktemp("heads") / "any.gguf"
    path.write_bytes(bytes(content[: data.draw(st.integers(4, len(content)))]))
    try:
        metadata = read_metadata(path)
    except ModelError:
        return
    assert isinstance(metadata.values, dict)
