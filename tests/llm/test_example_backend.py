"""The example of a backend of one's own does what the documentation says of it."""

import shutil
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from llm_strategy.errors import BackendFailure, BacktraderLLMError, ConfigurationError
from llm_strategy.llm import Backend, Generation, LLMClient, Message, Request, get_llm_client, loader, register_backend
from llm_strategy.llm.backend import OwnBackend
from llm_strategy.llm.loader import SUPPORTED_BACKENDS
from llm_strategy.types import Event, EventKind

EXAMPLE = Path(__file__).parents[2] / "examples" / "own_backend.py"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copy(EXAMPLE, tmp_path / "own_backend.py")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    for name in [name for name in sys.modules if name.startswith("own_backend")]:
        del sys.modules[name]


def test_the_example_has_at_most_fifteen_lines():
    assert len(EXAMPLE.read_text(encoding="utf-8").splitlines()) <= 15


@pytest.mark.parametrize("backend", ["own_backend.py:Keywords", "own_backend:Keywords"], ids=["file", "module"])
def test_the_example_answers_as_a_whole_client(folder, backend):
    with get_llm_client(backend=backend) as client:
        assert client.generate("The price rose.").text == "up"
        assert [answer.text for answer in client.batch(["It rose.", "It fell."])] == ["up", "down"]
        *pieces, last = client.chat([{"role": "user", "content": "It fell."}], stream=True)
        assert ("".join(piece.delta for piece in pieces), last.generation.text) == ("down", "down")
        assert client.healthcheck().ok
        assert client.identity.name == "keywords"


@pytest.mark.parametrize(
    ("backend", "told"),
    [
        ("own_backend:Keyword", "own_backend has no 'Keyword', did you mean 'Keywords'"),
        ("no_such_module:Keywords", "cannot be imported .ModuleNotFoundError: No module named 'no_such_module'"),
        ("own_backend.py:Keyword", "has no class 'Keyword', did you mean 'Keywords'"),
    ],
    ids=["class", "module", "class of a file"],
)
def test_a_reference_to_nothing_is_told_in_one_sentence(folder, backend, told):
    with pytest.raises(ConfigurationError, match=told):
        get_llm_client(backend=backend)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("finish", "done"),
        ("values", None),
        ("values", {"label": 3}),
        ("events", None),
        ("events", ("it went well",)),
        ("events", (Event(EventKind.RETRY, "again", float("nan")),)),
    ],
    ids=["finish", "no values", "values", "no events", "events", "event with NaN"],
)
def test_what_no_record_can_hold_is_a_failure_of_the_backend(field, value):
    own = type("Own", (), {"answer": lambda self, request, on_text=None: Generation("up", 1, 1, 0.0, **{field: value})})
    with pytest.raises(
        BackendFailure, match=rf"Own.answer returned a Generation whose {field} is .*: leave {field} out"
    ):
        LLMClient(OwnBackend(own(), {})).complete(Request((Message("user", "?"),)))


@pytest.mark.parametrize("concurrency", [0, -1, "many"])
def test_how_many_are_asked_at_once_is_a_number_from_one_on(concurrency):
    own = type("Own", (), {"concurrency": concurrency, "answer": lambda self, request, on_text=None: "yes"})
    with pytest.raises(ConfigurationError, match=r"Own.concurrency is .*: give a whole number from 1 upwards"):
        OwnBackend(own(), {})


class Pieces:
    """An object of no class of ours, with options of its own."""

    concurrency = 3

    def __init__(self, words: str = "one two") -> None:
        self.words = words

    def answer(self, request, on_text):
        if self.words == "fail":
            raise ValueError("no luck")
        for word in self.words.split():
            on_text(word + " ")
        return Generation(self.words, 1, 2, 0.0)

    def count_tokens(self, request):
        return 7


@pytest.fixture
def pieces():
    register_backend("pieces", Pieces)
    yield get_llm_client(backend="pieces")
    del SUPPORTED_BACKENDS["pieces"]


def test_any_class_with_answer_is_a_backend(pieces):
    *chunks, last = pieces.chat([{"role": "user", "content": "?"}], stream=True)
    assert "".join(chunk.delta for chunk in chunks) == "one two "
    assert last.generation.text == "one two"
    assert (pieces.concurrency, pieces.prompt_tokens(pieces.defaults)) == (3, 7)
    assert pieces.identity.backend == "Pieces"


def test_what_its_answer_raises_is_a_failure_of_one_question(pieces):
    pieces.backend.own.words = "fail"
    with pytest.raises(BackendFailure, match=r"Pieces\.answer raised ValueError: no luck: correct it in"):
        pieces.generate("?")


def test_a_client_is_built_over_a_backend_by_hand_too():
    sys.path.insert(0, str(EXAMPLE.parent))
    try:
        from own_backend import Keywords
    finally:
        sys.path.remove(str(EXAMPLE.parent))
        sys.modules.pop("own_backend", None)
    assert LLMClient(Keywords()).generate("It rose.").text == "up"


PLAIN = """
from llm_strategy.llm import Backend
class Plain(Backend):
    def answer(self, request, on_text=None):
        return "plain"
"""


class Both(Pieces):
    """A class that had ``generate`` before there was anything else, and a helper of another name."""

    def generate(self, prompt, **kwargs):
        return f"generated for {prompt}"


def test_a_class_with_generate_is_asked_through_it_whatever_else_it_has():
    register_backend("both", Both)
    try:
        assert get_llm_client(backend="both").generate("me").text == "generated for me"
    finally:
        del SUPPORTED_BACKENDS["both"]


def test_a_class_of_a_file_may_be_a_backend_without_saying_who_it_is(tmp_path, monkeypatch):
    (tmp_path / "plain.py").write_text(PLAIN, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    client = get_llm_client(backend="plain.py:Plain")
    assert client.generate("?").text == "plain"
    assert (client.identity.backend, client.identity.engine) == ("Plain", "plain.py")
    assert client.healthcheck().ok
    client.close()


def test_a_function_that_makes_a_backend_is_one_too():
    class Quiet(Backend):
        def answer(self, request, on_text=None):
            return "whole"  # text, and nothing handed to the reader

    register_backend("quiet", lambda settings: Quiet())
    try:
        client = get_llm_client(backend="quiet")
        chunks = list(client.chat([{"role": "user", "content": "?"}], stream=True))
    finally:
        del SUPPORTED_BACKENDS["quiet"]
    assert [chunk.delta for chunk in chunks] == ["whole", ""]
    assert chunks[-1].generation.text == "whole"


def test_who_answers_is_known_at_once_where_nobody_needs_to_be_asked(pieces):
    assert vars(pieces)["identity"] is pieces.backend.identity


BROKEN = """
from llm_strategy.llm import Backend

THING = 3

def without_settings():
    return None

def failing(settings):
    raise OSError("no disk")

class Many(Backend):
    concurrency = "many"
    def answer(self, request, on_text=None):
        return "plain"

class Unknown(Many):
    concurrency = 1
    @property
    def identity(self):
        raise OSError("who")
"""


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("no_such_module:Thing", "cannot be imported (No module named 'no_such_module'): install what it needs"),
        ("broken_backend:Nothing", "cannot be imported (AttributeError: "),
        ("raising_backend:Thing", "cannot be imported (RuntimeError: boom): correct it there"),
        ("broken_backend:THING", "is no class, but of type int: name a class that has generate."),
        ("broken_backend:without_settings", "cannot be made (TypeError: "),
        ("broken_backend:failing", "cannot be made (OSError: no disk): correct it there."),
        ("broken_backend:Unknown", "cannot be made (OSError: who): correct it there."),
    ],
)
def test_an_installed_backend_that_is_broken_is_one_sentence(folder, monkeypatch, value, told):
    (folder / "broken_backend.py").write_text(BROKEN, encoding="utf-8")
    (folder / "raising_backend.py").write_text("raise RuntimeError('boom')", encoding="utf-8")
    entry = EntryPoint("broken", value, loader.ENTRY_POINT_GROUP)
    monkeypatch.setitem(SUPPORTED_BACKENDS, "broken", loader._lazily(entry))
    with pytest.raises(BacktraderLLMError) as caught:
        get_llm_client(backend="broken")
    assert str(caught.value).startswith(f"Backend 'broken' {told}")
    assert "\n" not in str(caught.value)
    sys.modules.pop("broken_backend", None)
