"""Keys and passwords: wherever they are set, they are in no file and no message, and what is written stays readable."""

import contextlib
import json
import tempfile
from pathlib import Path

import pytest
from fuzzing import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from llm_strategy.errors import BackendFailure, ConfigurationError, ModelError
from llm_strategy.llm.backends.http import brief
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.metering.audit import AuditedClient, AuditLog
from llm_strategy.llm.settings import LlmSettings, load_settings
from llm_strategy.support import secrets
from llm_strategy.support.secrets import is_secret_name, keep_secret, redact, redacted

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def fresh(tmp_path, monkeypatch):
    """No secret of another test is known, and the current folder is empty."""
    monkeypatch.setattr(secrets, "_known", set())
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()


@pytest.mark.parametrize(
    "name",
    [
        "AWS_BEARER_TOKEN_BEDROCK", "AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "OPENAI_API_KEY", "MYAPIKEY",
        "HF_TOKEN", "DB_PASSWORD_OLD", "db-passwd", "SECRETS", "api_keys", "KEY2", "GPG_PASSPHRASE",
    ],
)  # fmt: skip
def test_values_under_a_name_of_a_secret_are_struck_out(monkeypatch, name):
    assert is_secret_name(name)
    monkeypatch.setenv(name, "planted-0815")
    assert redact("it said planted-0815.") == "it said [secret]."


@pytest.mark.parametrize("name", ["KEYBOARD_LAYOUT", "TOKENIZERS_PARALLELISM", "GNOME_KEYRING_CONTROL", "SECRETARY"])
def test_words_that_only_begin_so_are_none(monkeypatch, name):
    monkeypatch.setenv(name, "ordinary words")
    assert redact("ordinary words") == "ordinary words"


@pytest.mark.parametrize(
    "text",
    [
        "api_key: planted-0815",
        "scripted:\n  api_key: planted-0815",
        "ensemble:\n  members:\n  - local_llama\n  - {backend: openai, api_key: planted-0815}",
        "mine:\n  deep: {tokens: [[planted-0815]]}",
        "mine:\n  password: ${PLANTED}",
        "mine:\n  deep: [{password: '${PLANTED}'}]",
        "api_key: ${PLANTED}",
    ],
)
def test_a_key_anywhere_in_the_settings_file_is_kept_secret(monkeypatch, text):
    monkeypatch.setenv("PLANTED", "planted-0815")
    Path("configs/llm.yaml").write_text(text + "\n")
    load_settings()
    assert redact("planted-0815") == "[secret]"


def test_a_key_of_a_program_is_kept_secret_and_no_error_shows_one():
    LlmSettings(api_key="planted-0815")
    LlmSettings(sections={"mine": {"members": [{"api_key": "planted-4711"}]}})
    assert redact("planted-0815 planted-4711") == "[secret] [secret]"
    Path("configs/llm.yaml").write_text("api_key: [planted-2342]\n")
    with pytest.raises(ConfigurationError, match="api_key") as caught:
        load_settings()
    assert "planted-2342" not in str(caught.value)


@pytest.mark.parametrize(
    "spelled",
    [
        "sk/plan+ted=&0815",
        "SK/PLAN+TED=&0815",
        "sk%2Fplan%2Bted%3D%260815",
        "sk\\/plan+ted=&0815",
        "sk/plan+ted=&amp;0815",
        "c2svcGxhbit0ZWQ9JjA4MTU=",
    ],
)
def test_a_secret_is_struck_out_as_servers_spell_it_and_never_cut_in_half(spelled):
    keep_secret("sk/plan+ted=&0815")
    assert redact(f"no such key: {spelled}.") == "no such key: [secret]."
    for before in range(170, 205):
        said = brief("." * before + spelled + "." * 40)
        assert not {"sk", "SK", "c2"} & {said.lstrip(".")[:2]}, said


def test_a_secret_is_struck_out_as_it_stands_in_json_too():
    planted = 'pass"wörd\\with marks'
    keep_secret(planted)
    for written in (json.dumps({"a": planted}), json.dumps({"a": planted}, ensure_ascii=False)):
        assert json.loads(redact(written)) == {"a": "[secret]"}
    assert redacted({"a": [{"b": f"x {planted} y"}, 1, None, ("authorization: abc",)]}) == {
        "a": [{"b": "x [secret] y"}, 1, None, ["[secret]"]]
    }


def noted(answer):
    """The lines, as text, of a log of one question that was answered so."""
    with tempfile.TemporaryDirectory() as folder:
        client = AuditedClient(ScriptedClient([answer]), AuditLog(Path(folder) / "audit.jsonl"))
        with contextlib.suppress(ModelError):
            client.generate(f"{answer}")
        return (Path(folder) / "audit.jsonl").read_text(encoding="utf-8").splitlines()


def texts(value):
    """All texts in JSON types."""
    if isinstance(value, str):
        return [value]
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in texts(one)]


@pytest.mark.parametrize(
    "answer",
    [
        '{"rationale": "authorization: abc"}',
        '"x-api-key": "abc\\"',
        "Bearer abcdefgh\\",
        "{'authorization': 'Bearer abc'}",
        "authorization=\\u0022",
        "\u2028\u2029\x85\x00\ud800",
    ],
)
def test_what_looks_like_a_key_leaves_the_line_readable(answer):
    (line,) = noted(answer)
    assert json.loads(line)["status"] is None


@examples(300, 5000)
@given(
    secret=st.text(min_size=8, max_size=30),
    before=st.text(max_size=30),
    after=st.text(max_size=30),
    quoted=st.booleans(),
    header=st.sampled_from(["", "authorization: ", '"x-api-key": "', "Bearer "]),
    fails=st.booleans(),
)
def test_any_answer_gives_a_readable_line_without_the_secret(secret, before, after, quoted, header, fails):
    assume("secret" not in secret and "[" not in secret and "]" not in secret)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(secrets, "_known", {secret})
        shown = json.dumps({"a": f"{before}{secret}"}) if quoted else f"{before}{secret}"
        answer = f"{header}{shown}{after}"
        (text,) = noted(BackendFailure(answer) if fails else answer)
    line = json.loads(text)
    assert not [one for one in texts(line) if secret in one]
    assert not [one for one in texts(line) if json.dumps(secret)[1:-1] in one]
    assert line["attempts"] == 1
