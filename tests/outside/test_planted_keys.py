"""Planted keys: wherever a key is set, and however a server spells it back, no file and no output of a command has
it."""

import base64
import codecs
import html
import json
import re
import unicodedata
import urllib.parse

import pytest
from fault_runs import ended, environment, start_run, write_experiment
from misbehaving_server import GOOD_ADVICE, by_turns, completion, reply, serving, status, stream

from llm_strategy.advice.layout import LayoutText
from llm_strategy.errors import ConfigurationError
from llm_strategy.llm.backends.openai.client import connect
from llm_strategy.llm.settings import load_settings
from llm_strategy.support import secrets
from llm_strategy.support.secrets import Redactor, keep_secret, redact
from simulator.experiment.configuration import Experiment

pytestmark = [pytest.mark.server, pytest.mark.slow]

KEY = "sk-Planted4711-aBcDeFgHiJkLmNoPqRsTuVw0815"
OTHERS = {
    "OPENAI_API_KEY": "oa-Planted0815/zZyYxXwW+vVuU=tT",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG+bPlantedEXAMPLEKEY",
    "DB_PASSWORD": "pass\"Wörd'n\\4711",
    "HTTPS_PROXY": "http://me:Proxy4711Planted@127.0.0.1:9",
}


def spelled(key):
    """A key as servers, logs and jokers write it."""
    encoded = key.encode()
    return {
        "plain": key,
        "upper": key.upper(),
        "lower": key.lower(),
        "json": json.dumps(key)[1:-1],
        "json in json": json.dumps(json.dumps({"key": key})),
        "u escapes": "".join(f"\\u{ord(letter):04x}" for letter in key),
        "some u escapes": "".join(f"\\u{ord(letter):04x}" if n % 3 else letter for n, letter in enumerate(key)),
        "x escapes": "".join(f"\\x{byte:02x}" for byte in encoded),
        "octal": "".join(f"\\{byte:03o}" for byte in encoded),
        "percent": "".join(f"%{byte:02X}" for byte in encoded),
        "percent twice": urllib.parse.quote("".join(f"%{byte:02X}" for byte in encoded)),
        "quoted": urllib.parse.quote(key, safe=""),
        "base64": base64.b64encode(encoded).decode(),
        "base64 of an address": base64.urlsafe_b64encode(encoded).decode().rstrip("="),
        "base64 of user and key": base64.b64encode(b"user:" + encoded).decode(),
        "base64 in lines": "\n".join(re.findall(".{1,7}", base64.b64encode(encoded).decode())),
        "hex": encoded.hex(),
        "HEX with colons": encoded.hex(":").upper(),
        "numbers": " ".join(map(str, encoded)),
        "backwards": key[::-1],
        "entities": "".join(f"&#{ord(letter)};" for letter in key),
        "hex entities": "".join(f"&#x{ord(letter):x};" for letter in key),
        "page": html.escape(key),
        "in tags": "<i></i>".join(key),
        "zero width": "\u200b".join(key),
        "blanks": " ".join(key),
        "line break": f"{key[:9]}\n{key[9:]}",
        "line break in JSON": f"{key[:9]}\\n{key[9:]}",
        "put together": f"{key[:9]}' + '{key[9:]}",
        "dashes": "-".join(key),
        "wide letters": "".join(chr(ord(c) + 0xFEE0) if 0x21 <= ord(c) <= 0x7E else c for c in key),
        "beginning": key[:12],
        "end": key[-14:],
    }


@pytest.fixture
def nothing_known(monkeypatch):
    """No secret of another test is known."""
    monkeypatch.setattr(secrets, "_known", set())


@pytest.mark.parametrize("spelling", spelled(KEY))
def test_a_key_is_struck_out_in_every_spelling(nothing_known, spelling):
    for key in (KEY, "wJalrXUtnFEMI/K7MDENG+bPlantedEXAMPLEKEY", "planted-key-of-0815"):
        keep_secret(key)
        text = f"It said: {spelled(key)[spelling]}, and went."
        assert places_of(key, text.encode())  # what looks for keys in files knows the spelling
        said = redact(text)
        assert re.fullmatch(r"It said: .{0,14}\[secret\].{0,6}, and went\.", said)
        assert not places_of(key, said.encode())


@pytest.mark.parametrize("spelling", ["plain", "u escapes", "percent", "zero width", "entities", "hex", "backwards"])
@pytest.mark.parametrize("size", [1, 5, 16])
def test_a_key_is_struck_out_where_pieces_cut_through_it(nothing_known, spelling, size):
    keep_secret(KEY)
    text, heard = f"It said: {spelled(KEY)[spelling]}, and went.", []
    redactor = Redactor(lambda piece: heard.append(piece) is None)
    for at in range(0, len(text), size):
        assert redactor.take(text[at : at + size])
    redactor.end()
    said = "".join(heard)
    assert said.startswith("It said: ")
    assert said.endswith("[secret], and went.")
    assert len(said) < len("It said: [secret], and went.") + 25


@pytest.mark.parametrize(
    "spell",
    [
        lambda key: base64.b64encode(base64.b64encode(key)),
        lambda key: base64.b64encode(b"Bearer " + base64.b64encode(b"me:" + key) + b" sent"),
        lambda key: base64.b64encode(key.hex().encode()),
        lambda key: base64.b64encode(key).hex().encode(),
        lambda key: base64.b64encode(key[::-1]),
        lambda key: base64.b64encode(key)[::-1],
        lambda key: key.hex()[::-1].encode(),
        lambda key: base64.b32encode(b"key=" + key),
        lambda key: codecs.encode(key.decode(), "rot13").encode(),
        lambda key: key.decode().encode("utf-16-le").hex(" ").encode(),
        lambda key: base64.b64encode(key.decode().encode("utf-16")),
        lambda key: b"".join(b"%%u%04x" % letter for letter in key),
        lambda key: b"".join(b"\\x{%x}" % letter for letter in key),
        lambda key: b"".join(b"\\U%08x" % letter for letter in key),
    ],
)
def test_a_key_is_struck_out_in_codes_of_codes(nothing_known, spell):
    for key in (KEY, "wJalrXUtnFEMI/K7MDENG+bPlantedEXAMPLEKEY", "planted-key-of-0815"):
        keep_secret(key)
        said = redact(f"It said: {spell(key.encode()).decode()}, and went.")
        assert re.fullmatch(r"It said: .{0,24}\[secret\].{0,24}, and went\.", said)


@pytest.mark.parametrize("before", [4_990, 5_100, 12_000])
def test_a_key_behind_a_long_piece_is_struck_out(nothing_known, before):
    keep_secret(KEY)
    heard = []
    redactor = Redactor(lambda piece: heard.append(piece) is None)
    for piece in ("." * before + KEY[:9], KEY[9:], " and went."):
        redactor.take(piece)
    redactor.end()
    assert "".join(heard) == "." * before + "[secret] and went."


def test_ordinary_words_stand_whatever_the_key(nothing_known, monkeypatch):
    keys = ("bull", "exit", "sideways", "turbulent", "ollama", "not-needed", "sk-no-key-required", "market-data-4711x")
    keys += ("12345678", "00000000", "--------", "xxxxxxxx", "****************")
    for number, key in enumerate(keys):
        monkeypatch.setenv(f"KEY_{number}", key)
        keep_secret(key)
    for text in (
        GOOD_ADVICE,
        "The market data say sideways, then turbulent; it is not needed to exit the bull.",
        "No key required here, and no market database.",
        "Up 0.7000000000001 of 12345678901; |--------|--------|, xxxxxxxxxx and **********.",
    ):
        assert redact(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "\\" * 300_000,
        "%25" * 100_000,
        "&#1" * 100_000,
        KEY[:11] * 30_000,
        KEY * 8_000,
        "\u202e" * 300_000,
        "bearer " * 40_000,
    ],
    ids=["backslashes", "percents", "entities", "pieces", "keys", "marks", "bearers"],
)
def test_the_time_is_in_proportion_to_the_text(nothing_known, text):
    """Twenty letters at a time would take minutes where each letter were compared with all others."""
    keep_secret(KEY)
    assert KEY not in redact(text)


def test_a_name_of_a_file_or_an_address_under_a_name_of_a_secret_costs_no_other(nothing_known, monkeypatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", "/srv/somebody/keys/4711.json")
    monkeypatch.setenv("TOKEN_URL", "https://login.example.com/oauth/token")
    for text in ("/srv/somebody/prices.csv", "https://login.example.com/v1"):
        assert redact(text) == text
    assert redact("/srv/somebody/keys/4711.json") == "[secret]"


@pytest.mark.parametrize("key", [KEY, OTHERS["AWS_SECRET_ACCESS_KEY"]], ids=["of its look", "of the environment"])
@pytest.mark.parametrize("place", ["experiment", "layout", "model", "base_url", "parameter"])
def test_a_key_where_none_belongs_is_refused_and_not_repeated(nothing_known, tmp_path, monkeypatch, place, key):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", OTHERS["AWS_SECRET_ACCESS_KEY"])
    (tmp_path / "experiment.yaml").write_text(f"name: x\ndata: {{source: 'csv:{key}'}}\n")
    (tmp_path / "layout.yaml").write_text(f"question: 'Ask {key}'\n")
    monkeypatch.setenv("LLM_BACKEND", "openai")
    quoted = urllib.parse.quote(key, safe="")
    ways = {
        "experiment": lambda: Experiment.from_file(tmp_path / "experiment.yaml"),
        "layout": lambda: LayoutText.from_file(tmp_path / "layout.yaml"),
        "model": lambda: load_settings(model=key),
        "base_url": lambda: connect(load_settings(model="m", base_url=f"http://me:{quoted}@127.0.0.1/v1")),
        "parameter": lambda: connect(load_settings(model="m", base_url=f"http://127.0.0.1/v1?key={key}")),
    }
    with pytest.raises(ConfigurationError, match=r"LLM_API_KEY") as caught:
        ways[place]()
    assert not places_of(key, str(caught.value).encode())


def echo(turn, body):
    """Spell the key back, in an answer, its model, its fingerprint, its stream or a refusal."""
    names = list(spelled(KEY))
    said = [spelled(key)[names[(turn + n) % len(names)]] for n, key in enumerate((KEY, *OTHERS.values()))]
    told = f"No: {' | '.join(said)}."
    if turn % 4 == 1:
        return status(400, ("X-Echo", KEY), message=told)
    if turn % 4 == 2:
        return reply(json.dumps({"detail": [{"loc": [KEY], "msg": told}]}).encode(), status=500)
    advice = json.loads(GOOD_ADVICE) | {"rationale": told[:1500]}
    text = json.dumps(advice) if turn % 4 else f"{told} {GOOD_ADVICE} {told}"
    if body.get("stream"):
        return stream(*re.findall("(?s).{1,7}", text), model="tiny-model")
    return reply(json.dumps(completion(text, model="tiny-model", fingerprint=told)).encode())


def places_of(key, written):
    """What of a key can be read in these bytes, however they are to be decoded."""
    views = [written.decode(errors="replace")]
    for decode in (html.unescape, urllib.parse.unquote, _undone, lambda text: re.sub("<[^<>]*>", "", text)):
        views += [decode(view) for view in views]
    bare = {_bare(unicodedata.normalize("NFKC", view)) for view in views}
    encoded = key.encode()
    tables = [base64.b64encode(b"-" * before + encoded).decode()[4:-4] for before in range(3)]
    numbers = "".join(map(str, encoded))
    forms = [*map(_bare, (key, key[::-1], *tables)), encoded.hex(), numbers]
    pieces = {form[at : at + 14] for form in forms for at in range(len(form) - 13)} | {
        _bare(key[:12]),
        _bare(key[-14:]),
    }
    return [piece for piece in pieces if any(piece in view for view in bare)]


def _bare(text):
    return re.sub(r"[\W_]+", "", text).lower()


def _undone(text):
    """Text with the escapes of JSON and of programs undone."""
    text = re.sub(r"\\(?:u|x)([0-9a-fA-F]{4}|[0-9a-fA-F]{2})", lambda found: chr(int(found[1], 16)), text)
    text = re.sub(r"\\([0-7]{3})", lambda found: chr(int(found[1], 8)), text)
    return re.sub(r"\\[nrt]", " ", text)


def test_a_fault_of_ours_is_told_without_the_key(tmp_path):
    """The way of a traceback that nobody foresaw: a fault is put into the command itself."""
    fault = f"def broken(*_, **__): raise KeyError({KEY!r})"
    before = f"import llm_strategy.llm.models.store as m\n{fault}\nm.available = broken"
    process = start_run(tmp_path, {"LLM_API_KEY": KEY}, before, ("models", "list"))
    code, said = ended(process)
    assert code == 1
    assert "Traceback" in said
    assert "KeyError: '[secret]'" in said
    assert not places_of(KEY, said.encode())


def test_no_file_and_no_output_of_a_run_has_a_key(tmp_path, commands):
    write_experiment(tmp_path, 16)
    cache = tmp_path / "cache"
    said = []
    with serving(by_turns(echo)) as server:
        settings = environment(server.url, cache, LLM_API_KEY=KEY, LLM_ATTEMPTS="1", **OTHERS)
        for words in (
            ("-vv", "run", "experiment.yaml"),
            ("-vv", "advise", "experiment.yaml", "--json"),
            ("-vv", "doctor"),
        ):
            out, err = commands.popen(tmp_path, settings, words).communicate(timeout=300)
            assert "Traceback" not in err
            said.append((out + err).encode())
        assert {headers["authorization"] for _, headers, _ in server.requests} == {f"Bearer {KEY}"}
        assert len(server.requests) > 16
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"decisions.jsonl", "manifest.json", "audit.jsonl", "report.html"} <= {path.name for path in files}
    struck = 0
    for name, written in [*((str(path), path.read_bytes()) for path in files), *enumerate(said)]:
        struck += written.count(b"[secret]")
        for key in (KEY, *list(OTHERS.values())[:3], "Proxy4711Planted"):
            assert not places_of(key, written), (name, key)
    assert struck > 16
