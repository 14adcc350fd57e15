"""Where the runtime's settings come from, and what is said of wrong ones."""

from importlib.metadata import entry_points

import pytest
import yaml

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm import SUPPORTED_BACKENDS, get_llm_client, register_backend
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.backends.sections import SECTIONS
from llm_strategy.llm.loader import ENTRY_POINT_GROUP
from llm_strategy.llm.settings import LlmSettings, load_settings
from llm_strategy.llm.settings_file import read_settings_file
from simulator.experiment.starters import starter_text

NAMES = [f"LLM_{name.upper()}" for name in LlmSettings.model_fields] + ["LOG_LEVEL"]


@pytest.fixture(autouse=True)
def empty_folder(tmp_path, monkeypatch):
    """A current folder without files, and no settings in the environment."""
    for name in NAMES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "configs").mkdir()
    return tmp_path


def write(folder, text, name="configs/llm.yaml"):
    (folder / name).write_text(text, encoding="utf-8")


def test_defaults_are_greedy_and_local():
    settings = load_settings()
    assert (settings.backend, settings.model, settings.temperature) == ("local_llama", "smollm2-135m", 0.0)
    assert (settings.max_tokens, settings.timeout_s, settings.log_level) == (512, 30.0, "WARNING")


def test_environment_goes_before_dotenv_before_file_before_defaults(empty_folder, monkeypatch):
    write(empty_folder, "temperature: 0.1\nmax_tokens: 10\ntimeout_s: 10\nlog_level: INFO\nmodel: file.gguf\n")
    write(empty_folder, "LLM_TEMPERATURE=0.2\nLLM_MAX_TOKENS=20\nLOG_LEVEL=ERROR\nUNRELATED=1\nLLM_OTHER=1\n", ".env")
    monkeypatch.setenv("LLM_TEMPERATURE", "0.3")
    settings = load_settings()
    assert (settings.temperature, settings.max_tokens, settings.timeout_s) == (0.3, 20, 10.0)
    assert (settings.log_level, settings.model, settings.backend) == ("ERROR", "file.gguf", "local_llama")
    monkeypatch.setenv("LOG_LEVEL", "DEBUG")
    assert load_settings().log_level == "DEBUG"
    assert load_settings(temperature=0.4).temperature == 0.4


def test_an_empty_variable_is_none(monkeypatch):
    monkeypatch.setenv("LLM_MAX_TOKENS", "")
    monkeypatch.setenv("LLM_INSTRUCT_MODEL_PATH", "")
    assert load_settings().max_tokens == 512
    assert load_settings().instruct_model_path is None


def test_the_starter_file_says_the_defaults(empty_folder):
    defaults = load_settings()
    write(empty_folder, starter_text("llm.yaml"))
    assert load_settings() == defaults
    assert len(yaml.safe_load(starter_text("llm.yaml"))) >= 7


def test_the_users_file_of_the_interface_is_read(empty_folder, monkeypatch):
    monkeypatch.setenv("MY_API_KEY", "secret")
    write(
        empty_folder,
        'backend: "my_new_backend"\nmodel: "Llama.gguf"\ntemperature: 0.2\nmax_tokens: 512\njson_mode: true\n'
        'timeout_s: 30\nmy_new_backend:\n  api_key: "${MY_API_KEY}"\n  retries: 3\n',
    )
    settings = load_settings()
    assert settings.json_mode is True
    assert settings.sections == {"my_new_backend": {"api_key": "secret", "retries": 3}}
    assert "secret" not in str(settings.model_dump())


def test_a_variable_is_put_in_place_everywhere(empty_folder, monkeypatch):
    monkeypatch.setenv("MODEL", "big.gguf")
    monkeypatch.setenv("KEY_OF_MINE", "planted-0815")
    monkeypatch.setenv("PORT", "8080")
    monkeypatch.setenv("SECONDS", "7")
    write(empty_folder, "KEY_OF_TWO=from-the-file\nPORT=1\n", ".env")
    write(
        empty_folder,
        "model: models/${MODEL}\ntimeout_s: ${SECONDS}\napi_key: ${KEY_OF_MINE}\nfallback: ['${MODEL}']\n"
        "openai:\n  base_url: ['http://127.0.0.1:${PORT}/v1', $PORT]\n"
        "ensemble:\n  members:\n  - {backend: openai, api_key: '${KEY_OF_TWO}', deep: [[{x: '${PORT}-${PORT}'}]]}\n"
        "  - local_llama\n",
    )
    settings = load_settings()
    assert (settings.model, settings.timeout_s, settings.fallback) == ("models/big.gguf", 7.0, ("big.gguf",))
    assert settings.api_key.get_secret_value() == "planted-0815"
    assert settings.sections["openai"] == {"base_url": ["http://127.0.0.1:8080/v1", "$PORT"]}
    member, other = settings.sections["ensemble"]["members"]
    assert member == {"backend": "openai", "api_key": "from-the-file", "deep": [[{"x": "8080-8080"}]]}
    assert other == "local_llama"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: ${GONE}", r"^model \(in configs/llm\.yaml\) names the variable GONE, which is not set: export it"),
        ("backend: openai\napi_key: ${GONE}", r"openai\.api_key .* names the variable GONE"),
        ("backend: openai\nbase_url: ['http://${GONE}/v1']", r"openai\.base_url .* names the variable GONE"),
        ("backend: openai\nopenai: {reported_model: '${GONE}'}", r"openai\.reported_model .* names the variable GONE"),
        (
            "backend: ensemble\nensemble: {members: [local_llama, {backend: openai, api_key: '${GONE}'}]}",
            r"ensemble\.members\.api_key .* names the variable GONE",
        ),
    ],
)
def test_a_variable_that_is_needed_and_not_set_is_told(empty_folder, text, told):
    write(empty_folder, text)
    with pytest.raises(ConfigurationError, match=told) as caught:
        get_llm_client()
    assert "\n" not in str(caught.value)


def test_a_variable_that_is_not_needed_may_be_unset(empty_folder, monkeypatch):
    write(empty_folder, "model: ${GONE}\napi_key: ${GONE}\nopenai: {model: '${GONE}'}\n")
    monkeypatch.setenv("LLM_MODEL", "tiny.gguf")
    assert load_settings().for_backend("local_llama").model == "tiny.gguf"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("temprature: 0.1", r"llm\.yaml has the unknown key 'temprature', did you mean 'temperature'\?"),
        ("groq: gsk", r"llm\.yaml: groq is no mapping of options: write its options below it\.$"),
        ("zzz: 1", r"unknown key 'zzz'; known are backend, "),
        ("- a\n- b", "write lines such as"),
        ("a: [1", "cannot be read"),
        ("backend: \xff", "local_llama|not"),
    ],
)
def test_a_wrong_file_is_told_in_a_sentence(empty_folder, text, told):
    (empty_folder / "configs/llm.yaml").write_bytes(text.encode("latin-1"))
    with pytest.raises(ConfigurationError, match=told) as caught:
        load_settings()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("LLM_TEMPERATURE", "warm"),
        ("LLM_TEMPERATURE", "-1"),
        ("LLM_TEMPERATURE", "nan"),
        ("LLM_MAX_TOKENS", "0"),
        ("LLM_MAX_TOKENS", "1.5"),
        ("LLM_TIMEOUT_S", "0"),
        ("LLM_TIMEOUT_S", "inf"),
        ("LLM_CONTEXT_TOKENS", "5"),
        ("LLM_THREADS", "0"),
        ("LOG_LEVEL", "LOUD"),
    ],
)
def test_a_wrong_value_is_told_with_its_name(monkeypatch, name, value):
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError, match=name) as caught:
        load_settings()
    assert value in str(caught.value)
    assert "\n" not in str(caught.value)


OF_OURS = sorted({entry.name for entry in entry_points(group=ENTRY_POINT_GROUP) if "llm_strategy" in entry.value})


def test_every_backend_of_ours_declares_its_options():
    assert sorted(SECTIONS) == OF_OURS


@pytest.mark.parametrize("asked", ["scripted", "itself"])
@pytest.mark.parametrize("backend", OF_OURS)
def test_an_unknown_option_is_told_whether_or_not_its_backend_is_asked(empty_folder, backend, asked):
    write(empty_folder, f"backend: {backend if asked == 'itself' else asked}\n{backend}: {{treads: 3}}\n")
    with pytest.raises(
        ConfigurationError, match=rf"unknown option {backend}\.treads, did you mean 'threads'"
    ) as caught:
        get_llm_client()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("backend", OF_OURS)
def test_what_may_stand_in_a_section_is_all_named(empty_folder, backend):
    write(empty_folder, f"{backend}: {{zzzzzz: 3}}\n")
    with pytest.raises(ConfigurationError, match=rf"{backend}\.zzzzzz; known are ") as caught:
        get_llm_client()
    known = str(caught.value).partition("known are ")[2].rstrip(".").split(", ")
    options = [field.alias or name for name, field in SECTIONS[backend].model_fields.items()]
    assert set(options) | {"model", "timeout_s", "base_url", "price_in", "threads"} <= set(known)
    assert not {"backend", "sections", "log_level"} & set(known)


@pytest.mark.parametrize("name", ["backend", "log_level", "sections"])
def test_what_is_no_backends_own_may_not_stand_in_a_section(empty_folder, name):
    write(empty_folder, f"local_llama: {{{name}: x}}\n")
    with pytest.raises(ConfigurationError, match=f"unknown option local_llama.{name}"):
        get_llm_client()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("llama_cpp: {slots: 0}", r"llama_cpp\.slots is 0: .*; give a number from 1\."),
        ("openai: {answer_format: json_shema}", r"openai\.answer_format is 'json_shema', did you mean 'json_schema'\?"),
        ("local_llama: {device: tpu9}", r"local_llama\.device is 'tpu9'; known are cpu, cuda, kompute, metal\."),
        ("ensemble: {vote: majority}", r"ensemble\.members is missing"),
    ],
)
def test_a_wrong_option_of_a_fallback_is_told_before_it_is_needed(empty_folder, text, told):
    write(empty_folder, f"backend: scripted\nscript: answers.jsonl\nfallback: [{text.partition(':')[0]}]\n{text}\n")
    write(empty_folder, '"well"\n', "answers.jsonl")
    with pytest.raises(ConfigurationError, match=told):
        get_llm_client()


def test_a_section_of_another_packages_backend_is_its_own(empty_folder):
    write(empty_folder, "backend: theirs\ntheirs: {anything: 3, threads: 2}\n")
    register_backend("theirs", lambda settings: ScriptedClient([str(settings.sections["theirs"]["anything"])]))
    try:
        assert get_llm_client().generate("x").text == "3"
    finally:
        del SUPPORTED_BACKENDS["theirs"]


def test_a_wrong_value_in_the_file_is_told_with_its_place(empty_folder):
    write(empty_folder, "max_tokens: many")
    with pytest.raises(ConfigurationError, match=r"max_tokens \(in configs/llm\.yaml"):
        load_settings()


def test_an_empty_file_sets_nothing(empty_folder):
    write(empty_folder, "# only a comment\n")
    assert read_settings_file(empty_folder / "configs/llm.yaml", [], {}) == {}


def test_a_misspelt_key_of_dotenv_is_told_and_those_of_others_are_not(empty_folder):
    write(empty_folder, "LLM_TEMPRATURE=0.2\n", ".env")
    with pytest.raises(ConfigurationError, match=r"\.env has the unknown key 'LLM_TEMPRATURE', did you mean 'LLM_TEMP"):
        load_settings()
    write(empty_folder, "export llm_temperature=0.2\nLLM_OTHER=1\nDATABASE=x\nLOG_LEVEL=INFO\nempty\n", ".env")
    assert load_settings().temperature == 0.2


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("LLM_BACKND", "LLM_BACKEND"),
        ("LLM_TIMEOUT", "LLM_TIMEOUT_S"),
        ("llm_temprature", "LLM_TEMPERATURE"),
        ("LLM_BASE_URLS", "LLM_BASE_URL"),
        ("LLM_LOG_LEVEL", "LOG_LEVEL"),
    ],
)
def test_a_misspelt_variable_of_the_environment_is_told_as_in_dotenv(monkeypatch, name, meant):
    monkeypatch.setenv(name, "x")
    told = rf"^The environment has the unknown variable '{name}', did you mean '{meant}'\?$"
    with pytest.raises(ConfigurationError, match=told):
        load_settings()


@pytest.mark.parametrize("name", ["LLM_HOST", "LLM_VENDOR_ORG", "BACKEND", "LOG_LEVELS", "llm"])
def test_variables_of_other_programs_are_theirs(monkeypatch, name):
    monkeypatch.setenv(name, "x")
    load_settings()
    monkeypatch.setenv("LLM_BACKND", "")  # an empty variable is none
    load_settings()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("model: a\ntemperature: 0\nmodel: b\n", r"line 3, column 1: key 'model' stands twice\.$"),
        ("openai:\n  model: a\n  api_key: x\n  model: b\n", r"line 4, column 3: key 'model' stands twice\.$"),
        ("ensemble: {members: [{backend: a, backend: b}, c]}\n", r"line 1, column \d+: key 'backend' stands twice\.$"),
        ("a: &a {model: x}\nopenai: {<<: *a}\n", r"line 2, column 10: '<<' takes over the keys of another mapping"),
        ("openai: {api_key: {sk-4711, sk-4711}}\n", r"line 1, column \d+: a key stands twice\.$"),
        ("openai: &a {extra: *a}\n", r"line 1, column 9: an alias stands within what it stands for"),
        ("api_key: !!int ''\n", "a value in it is not valid YAML"),
    ],
)
def test_a_key_that_stands_twice_and_the_like_are_told_by_their_place(empty_folder, text, told):
    write(empty_folder, text)
    with pytest.raises(ConfigurationError, match=r"configs/llm\.yaml cannot be read: " + told):
        load_settings()


PLANTED = "sk-planted-4711-0815"


@pytest.mark.parametrize(
    "text",
    [
        f'api_key: "{PLANTED}\nmodel: x\n',
        f"api_key: '{PLANTED}\n",
        f"openai:\n  api_key: {PLANTED}: x\n",
        f"api_key: *{PLANTED}\n",
        f"api_key: !{PLANTED} x\n",
        f"api_key: [{PLANTED}\n",
        f"\tapi_key: {PLANTED}\n",
        f"api_key: @{PLANTED}\n",
        f"{PLANTED}",
        f"api_key: {{{PLANTED}: 1}}\n  x",
        f"openai: {{api_key: sk-4,{PLANTED}}}\nbackend: openai\nmodel: m\n",
        f"{PLANTED}:\n",
    ],
)
def test_a_slip_in_the_file_does_not_show_the_key(empty_folder, text):
    write(empty_folder, text)
    with pytest.raises(ConfigurationError, match=r"configs/llm\.yaml ") as caught:
        get_llm_client()
    assert "planted" not in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_forgotten_quotation_mark_is_told_by_line_and_column(empty_folder):
    write(empty_folder, f"backend: openai\napi_key: '{PLANTED}\n")
    with pytest.raises(ConfigurationError, match=r"line 3, column 1 is not valid YAML; a quotation mark"):
        load_settings()


@pytest.mark.parametrize("value", ["47110815", "[4711, 0815]", "4711.0815", "true"])
@pytest.mark.parametrize("place", ["api_key: {}", "backend: openai\nopenai: {{api_key: {}}}"])
def test_a_key_that_is_no_text_is_not_shown(empty_folder, place, value):
    write(empty_folder, place.format(value))
    with pytest.raises(ConfigurationError, match=r"api_key .* is no text: write it between quotation marks") as caught:
        get_llm_client()
    assert "4711" not in str(caught.value)


def test_a_wrong_log_level_names_the_variable_that_there_is():
    with pytest.raises(ConfigurationError, match=r"log_level \(in configs/llm\.yaml, or LOG_LEVEL\) is 'debug'"):
        get_llm_client(log_level="debug")
