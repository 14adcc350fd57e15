"""Words of a model, a server, a file or a person reach a terminal, a table and a page as signs that are seen, and are
never obeyed."""

import csv
import json
import re
import unicodedata

import pytest
from misbehaving_server import by_turns, completion, reply, serving, status
from small_run import SMALL
from test_cli import btllm  # noqa: F401

from llm_strategy.outside_text import spelled_out, spelled_out_json
from simulator.market import load_prices

CONTROLS = "".join(map(chr, [*range(1, 9), *range(0xB, 0x20), *range(0x7F, 0xA0)]))
DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
UNSEEN = "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\u180e\u2028\u2029\ufff9\ufffb\U000e0001\U000e0041\ufe0f\U000e0101"
OTHER = "\ue000\U0010ffff\ufdd0"
COMMANDS = "\x1b]0;owned\x07\x1b[31m\x9b31m\x9d52;c;QUJD\x9c"
MARKUP = "[bold red]x[/] [link=file:///etc]y[/link] :100: <img src=x onerror=alert(1)> [a](http://x.test) ![i](http://x.test/i) `c` a|b"
HOSTILE = f"{COMMANDS}{DIRECTIONS}{UNSEEN}{OTHER}{MARKUP}"


def unseen(text):
    """Signs of a text that a terminal obeys or hides."""
    return {
        sign
        for sign in set(text) - set("\n\t")
        if unicodedata.category(sign) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") or sign in DIRECTIONS + UNSEEN + OTHER
    }


@pytest.mark.parametrize("sign", [*CONTROLS, *DIRECTIONS, *UNSEEN, *OTHER, "\ud800"], ids=lambda s: f"{ord(s):x}")
def test_each_sign_that_is_obeyed_or_unseen_is_spelled_out(sign):
    said = spelled_out(f"a{sign}b")
    assert not unseen(said)
    assert re.fullmatch(r"a\\(x|u|U)[0-9a-f]+b", said)
    quoted = spelled_out_json(json.dumps(f"a{sign}b", ensure_ascii=False))
    assert not unseen(quoted)
    assert json.loads(quoted) == f"a{sign}b"


@pytest.mark.parametrize(
    "text",
    ["Zürich, naïve, Łódź", "株式会社 上涨", "ירידה", "ارتفاع", "हिन्दी", "📈🚀👍🏽", "−1.5 % → 2·10⁻³ “so”", "a\tb\nc", "1️"[:1]],
)
def test_letters_figures_and_emoji_stay(text):
    assert spelled_out(text) == spelled_out_json(text) == text


def hostile_server():
    """Every second answer meets the contract; what is said in it, beside it and in refusals is hostile."""

    @by_turns
    def behave(turn, body):
        if turn % 7 == 3:
            return status(400, message=HOSTILE)
        asked = body["messages"][-1]["content"]
        action = "enter_long" if turn % 2 else "exit"
        advice = {"rationale": HOSTILE, "regime": {"label": "bull"}, "action": {"type": action, "confidence": 0.7}}
        text = json.dumps(advice) if "ratio" not in asked else f"{HOSTILE}. The Sharpe ratio of llm is 7.77."
        return reply(json.dumps(completion(text, model="tiny-model", fingerprint=f"b{HOSTILE[:40]}")).encode())

    return serving(behave)


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Everything that commands said and wrote about a run on a hostile server, by command."""


def test_x(btllm, tmp_path, monkeypatch):
    sink=open('/tmp/sink.txt','w')
    with hostile_server() as server:
        monkeypatch.setenv("LLM_BACKEND", "openai")
        monkeypatch.setenv("LLM_BASE_URL", server.url)
        monkeypatch.setenv("LLM_MODEL", "tiny-model")
        (tmp_path / "experiment.yaml").write_text(json.dumps(SMALL | {
            "output": {"folder": "out"}, "arms": ["llm", "buy_and_hold"],
            "data": {"source": "synthetic:cycles?bars=320&seed=5"}, "advisor": {"mode": "json"}}))
        for words in (["compare","experiment.yaml"], ["advise"], ["advise","--json"], ["doctor"], ["doctor","--json"]):
            code, out, err = btllm(*words)
            print(words, code, unseen(out), unseen(err), file=sink)
            print(out, file=sink); print(err, file=sink)
    (folder,) = [p for p in (tmp_path/"out").iterdir() if p.is_dir()]
    for words in (["trace", folder], ["trace", folder,"--json"], ["report", folder], ["replay", folder],["view", folder]):
        code, out, err = btllm(*words)
        print(words, code, unseen(out), unseen(err), file=sink)
        print(out, file=sink); print(err, file=sink)
    for p in sorted((tmp_path).rglob("*")):
        if p.is_file(): print(p, unseen(p.read_text()), file=sink)
    import shutil; shutil.copytree(folder, "/tmp/hostile", dirs_exist_ok=True)
