"""A pipe, device, folder, socket, file of a terabyte or broken link in place of each file that a person names: one
sentence at once, with a cure, and nothing is read."""

import os
import signal
import socket
from pathlib import Path

import pytest

from llm_strategy.advice.layout import LayoutText
from llm_strategy.advice.options import LabelPrior
from llm_strategy.advice.own_labels import OwnLabels
from llm_strategy.advice.own_prompt import PromptText
from llm_strategy.errors import BacktraderLLMError, ModelNotLoaded
from llm_strategy.llm import get_llm_client
from llm_strategy.llm.backends.network import check_certificates
from llm_strategy.llm.models.gguf import check_file
from llm_strategy.llm.settings import load_settings
from llm_strategy.support.read_regular import read_bytes, read_text
from simulator.experiment.configuration import Experiment
from simulator.experiment.first_experiment import first_experiment
from simulator.prices.load import load_prices

pytestmark = pytest.mark.server

ENDS = []
"""Both ends of the pipes of a test."""


@pytest.fixture(autouse=True)
def at_once(tmp_path, monkeypatch):
    """The tests stand in a folder of their own, and a reader that waits is an error."""

    def waited(number, frame):
        raise AssertionError("it waited for a file")

    monkeypatch.chdir(tmp_path)
    before = signal.signal(signal.SIGALRM, waited)
    signal.alarm(20)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)
    while ENDS:
        os.close(ENDS.pop())


def pipe(path):
    os.mkfifo(path)


def pipe_of_a_shell(path):
    """What the shell's ``<(command)`` is."""
    ENDS.extend(os.pipe())
    path.symlink_to(f"/dev/fd/{ENDS[-2]}")


def socket_of_a_server(path):
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))


def terabyte(path):
    with path.open("wb") as out:
        out.truncate(2**40)


KINDS = {
    "pipe": (pipe, "pipe"),
    "pipe of a shell": (pipe_of_a_shell, "pipe"),
    "endless device": (lambda path: path.symlink_to("/dev/zero"), "device"),
    "empty device": (lambda path: path.symlink_to("/dev/null"), "device"),
    "folder": (Path.mkdir, "folder"),
    "socket": (socket_of_a_server, "socket"),
    "terabyte": (terabyte, "at most"),
    "link to itself": (lambda path: path.symlink_to(path.name), "symbolic links"),
    "broken link": (lambda path: path.symlink_to("gone"), "link to a file that is not there"),
}


def own_backend(path, monkeypatch):
    monkeypatch.setenv("LLM_BACKEND", f"{path}:Mine")
    get_llm_client()


def script(path, monkeypatch):
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    monkeypatch.setenv("LLM_SCRIPT", str(path))
    get_llm_client().generate("anything")


READERS = {
    "experiment.yaml": lambda path, patch: Experiment.from_file(path),
    "configs/llm.yaml": lambda path, patch: load_settings(),
    ".env": lambda path, patch: load_settings(),
    "layout.yaml": lambda path, patch: LayoutText.from_file(path),
    "calibration.json": lambda path, patch: LabelPrior.from_file(path),
    "prompt.j2": lambda path, patch: PromptText.from_file(path),
    "labels.csv": lambda path, patch: OwnLabels.from_file(path),
    "prices.csv": lambda path, patch: load_prices(f"csv:{path}"),
    "prices.parquet": lambda path, patch: load_prices(f"parquet:{path}"),
    "mine.csv": lambda path, patch: first_experiment(path, Path("out")),
    "backend.py": own_backend,
    "script.jsonl": script,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", READERS)
def test_what_is_no_file_is_one_sentence_at_once(name, kind, monkeypatch):
    make, word = KINDS[kind]
    path = Path(name)
    path.parent.mkdir(exist_ok=True)
    make(path)
    with pytest.raises(BacktraderLLMError) as caught:
        READERS[name](path, monkeypatch)
    told = str(caught.value)
    assert word in told
    assert "\n" not in told
    assert name in told
    assert caught.value.exit_code in (2, 3)


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "folder"])
def test_a_model_that_is_no_file_is_not_hashed_first(kind, monkeypatch):
    path = Path("model.gguf")
    KINDS[kind][0](path)
    monkeypatch.setenv("LLM_BACKEND", "local_llama")
    monkeypatch.setenv("LLM_INSTRUCT_MODEL_PATH", str(path))
    with pytest.raises(BacktraderLLMError, match=r"model\.gguf") as caught:
        get_llm_client().generate("anything")
    assert caught.value.exit_code == 4


def test_a_model_whose_download_left_holes_is_not_hashed():
    with Path("model.gguf").open("wb") as out:
        out.write(b"GGUF" + bytes(100))
        out.truncate(2**40)
    with pytest.raises(ModelNotLoaded, match="its download was cut off, fetch the file again"):
        check_file(Path("model.gguf"))


@pytest.mark.parametrize("kind", ["pipe", "endless device", "terabyte"])
def test_certificates_are_a_file(kind, monkeypatch):
    KINDS[kind][0](Path("authorities.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", "authorities.pem")
    with pytest.raises(BacktraderLLMError, match=r"SSL_CERT_FILE is .authorities\.pem., which is no file that can be"):
        check_certificates()


def test_a_file_behind_a_link_is_read_and_a_redirected_one_too():
    Path("real.txt").write_text("\ufeffwords\n")
    Path("link.txt").symlink_to("real.txt")
    assert read_text(Path("link.txt")) == "words\n"
    with open("real.txt") as redirected:
        assert read_text(Path(f"/dev/fd/{redirected.fileno()}")) == "words\n"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("a: é".encode("latin-1"), "not UTF-8 text (byte 4 is 0xe9): save it as UTF-8"),
        ("a: b".encode("utf-16"), "it is UTF-16"),
        ("a: b".encode("utf-32"), "it is UTF-32"),
    ],
    ids=["latin", "utf-16", "utf-32"],
)
def test_text_in_another_encoding_is_told(content, told):
    Path("a.yaml").write_bytes(content)
    with pytest.raises(OSError, match=r"^it is not UTF-8") as caught:
        read_text(Path("a.yaml"))
    assert told in str(caught.value)


def test_a_file_that_is_longer_than_it_says_is_not_read():
    """As one that somebody still writes to; files of the system say that they hold nothing."""
    with pytest.raises(OSError, match="its size changed while it was read: try again when"):
        read_bytes(Path("/proc/self/status"), 1_000_000)


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 5_000], ids=["nul", "half a sign", "long"])
def test_what_is_no_name_of_a_file_is_told(name):
    with pytest.raises(OSError, match=r"no name of a file|too long: correct the path"):
        read_bytes(Path(name), 1_000)
