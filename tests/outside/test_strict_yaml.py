"""YAML made to take for ever, overflow a stack, mean something else or hide: values, or one sentence at once."""

import time

import pytest

from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.settings import load_settings
from llm_strategy.support.strict_yaml import DEEPEST, MOST_NODES, parse_yaml
from simulator.experiment.configuration import Experiment

pytestmark = pytest.mark.slow

DEEP = f"more than {DEEPEST} deep: write them flatter"
REFUSED = {
    "a hundred lists": ("[" * 100, DEEP),
    "a hundred thousand lists": ("[" * 100_000, DEEP),
    "a hundred thousand mappings": ("{a: " * 100_000, DEEP),
    "a hundred thousand dashes": ("- " * 100_000, DEEP),
    "a hundred thousand question marks": ("? " * 100_000, DEEP),
    "a staircase": ("\n".join(" " * step + "a:" for step in range(1_000)), DEEP),
    "a number of base 60": ("a: 1" + ":1" * 500_000, "line 1, column 4: a number has more than 1,000 characters"),
    "a fraction of base 60": ("a: 1" + ":1" * 500_000 + ".5", "a number has more than 1,000 characters"),
    "a number of 5,000 digits": ("a: " + "9" * 5_000, "a number has more than 1,000 characters"),
    "a number of 5,000 letters": ("a: 0x" + "f" * 5_000, "a number has more than 1,000 characters"),
    "merge key": ("a: &a {x: 1}\nb: {<<: *a}", "line 2, column 5: '<<' takes over the keys of another mapping"),
    "merge key without alias": ("<<: {x: 1}", "'<<' takes over the keys of another mapping"),
    "python": ("a: !!python/object/apply:os.system [id]", "could not determine a constructor for the tag"),
    "own tag": ("a: !mine x", "could not determine a constructor for the tag"),
    "a list for a mapping": ("a: !!map [x]", "expected a mapping node"),
    "a mapping for a list": ("a: !!seq {x: 1}", "expected a sequence node"),
    "no base 64": ("a: !!binary x", "failed to decode base64 data"),
    "no day": ("a: 2000-13-45", "month must be in 1..12"),
    "two documents": ("a: 1\n---\nb: 2\n", "expected a single document in the stream"),
    "two documents of which one is empty": ("a: 1\n...\n---\n", "expected a single document in the stream"),
    "tab": ("a:\n\tb: 1", "line 2 is indented with a tab"),
    "NUL": ("a: \0", "control characters are not allowed in position 3"),
    "half a sign": ("a: \ud800", "surrogates not allowed"),
    "no such alias": ("a: *b", "found undefined alias 'b'"),
    "keys twice in a set": ("!!set {a, a}", "line 1, column 11: key 'a' stands twice"),
    "one key in three spellings": ("1: a\n1.0: b\ntrue: c", "stands twice"),
    "a list as a key": ("[1, 2]: a", "found unhashable key"),
    "a later version": ("%YAML 9.9\n---\na: 1", "found incompatible YAML document"),
}


@pytest.mark.parametrize("name", REFUSED)
@pytest.mark.parametrize("secret", [False, True], ids=["told", "secret"])
def test_yaml_that_is_refused_is_one_sentence_at_once(name, secret):
    text, told = REFUSED[name]
    began = time.process_time()
    with pytest.raises(ConfigurationError) as caught:
        parse_yaml(text, "a.yaml", secret=secret)
    assert time.process_time() - began < 10
    sentence = str(caught.value)
    assert secret or told in sentence
    assert "\n" not in sentence
    assert sentence.startswith("a.yaml ")
    assert len(sentence) < 300


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("\ufeffa: 1\r\nb: 2\r\n", {"a": 1, "b": 2}),
        ("a: &a [1]\nb: *a", {"a": [1], "b": [1]}),
        ("", None),
        ("# nothing\n", None),
        ("a: 12:30:00", {"a": 45_000}),
        ("a: " + "x" * 1_000_000, {"a": "x" * 1_000_000}),
    ],
    ids=["windows", "alias", "empty", "comment", "base 60", "long text"],
)
def test_what_is_yaml_is_read(text, value):
    assert parse_yaml(text, "a.yaml") == value


def test_as_deep_as_allowed_is_read_and_one_more_is_not():
    parse_yaml("[" * DEEPEST + "]" * DEEPEST, "a.yaml")
    with pytest.raises(ConfigurationError, match=DEEP):
        parse_yaml("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1), "a.yaml")


def test_thirty_thousand_keys_take_no_square_of_that():
    text = "".join(f"k{number}: {number}\n" for number in range(30_000))
    began = time.process_time()
    assert len(parse_yaml(text, "a.yaml")) == 30_000
    assert time.process_time() - began < 5  # it takes half a second


def test_values_without_end_are_not_all_read():
    with pytest.raises(ConfigurationError, match="it holds more than 100,000 keys and values: name a shorter file"):
        parse_yaml("- 1\n" * (MOST_NODES + 1), "a.yaml")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("data: {symbol: NO}", "data.symbol is false"),
        (
            "data: {sources: {NO: 'csv:a.csv'}}",
            "The key False is no text (YAML reads ON, NO and 0700",
        ),
        ("name: 0700", "name is 448"),
        ("name: 12:30", "name is 750"),
        ("? [a]\n: 1", "found unhashable key"),
        (
            "costs: {starting_cash: .inf}",
            "experiment.yaml: costs: starting_cash: inf is no setting: every number must be finite",
        ),
        ("costs: {starting_cash: 1.0e+999}", "inf is no setting"),
        ("costs: {starting_cash: 1e5}", 'costs.starting_cash is "1e5", it must be of type number'),
        ("costs: {starting_cash: " + "9" * 400 + "}", "A whole number of 1329 bits is no setting"),
        ("- name: a", "holds no keys"),
        ("just words", "holds no keys"),
    ],
)
def test_values_that_yaml_reads_otherwise_are_told(text, told):
    with pytest.raises(ConfigurationError) as caught:
        Experiment.from_text(text)
    assert told in str(caught.value)


PLANTED = "sk-planted-4711-0815"
SLIPS = {
    "quotation mark at the beginning alone": f'LLM_API_KEY="{PLANTED}\n',
    "apostrophe at the beginning alone": f"LLM_MODEL=a\n\nLLM_API_KEY='{PLANTED}\n",
    "quotation mark at the end alone": f'LLM_API_KEY={PLANTED}"\n',
    "quotation mark that the next line closes": f'LLM_API_KEY="{PLANTED}\nLLM_MODEL=x"\n',
    "words behind the quotation mark": f'LLM_API_KEY="{PLANTED}" and more\n',
    "colon": f"LLM_API_KEY: {PLANTED}\n",
    "colon without a blank": f"LLM_API_KEY:{PLANTED}\n",
    "no value": f"LLM_API_KEY\n{PLANTED}\n",
    "blank in place of the equals sign": f"LLM_API_KEY {PLANTED}\n",
    "the value alone on the line": f"={PLANTED}\n",
}


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_in_dotenv_is_told_by_its_line_and_does_not_show_the_key(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(SLIPS[name])
    with pytest.raises(ConfigurationError, match=r"^\.env") as caught:
        load_settings()
    if name.startswith(("colon", "blank")):
        assert "equals sign" in str(caught.value)
    assert "planted" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "\ufeffLLM_MODEL=mine\n",
        "export LLM_MODEL=mine\r\n",
        "LLM_MODEL='mine'\n",
        'LLM_MODEL = "mine" # a comment\n',
        "OTHER\nCERTIFICATE='two\nlines'\nLLM_MODEL=mine",
        "NAME=mine\nLLM_MODEL=${NAME}\n",
    ],
    ids=["mark", "export", "apostrophes", "comment", "of others", "variable"],
)
def test_what_dotenv_may_hold_is_read(text, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("LLM_MODEL", raising=False)
    (tmp_path / ".env").write_text(text, newline="")
    assert load_settings().model == "mine"


def test_the_line_of_a_slip_is_counted_from_the_top(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("A=1\n\n# words\n\n\nLLM_API_KEY='x\n")
    with pytest.raises(
        ConfigurationError, match=r"^\.env, line 6 is not NAME=value: an equals sign or a quotation mark is missing"
    ):
        load_settings()
