"""Words of a model, a server, a file or a person reach a terminal, a table and a page as signs that are seen, and are
never obeyed."""

import csv
import json
import logging
import os
import random
import re
import subprocess
import sys
import unicodedata

import pytest
from markdown_it import MarkdownIt
from misbehaving_server import by_turns, completion, reply, serving, status
from page_parser import Page, without_script
from small_run import SMALL

from llm_strategy.support.logs import LOG_FORMAT, VisibleFormatter
from llm_strategy.support.outside_text import spelled_out, spelled_out_json
from simulator.cli import console
from simulator.prices.load import load_prices
from simulator.progress import surfaces
from simulator.progress.stages import Progress
from simulator.reporting.render_markdown import escape_markdown, without_bare_links
from simulator.runs.result import Result

pytestmark = [pytest.mark.server, pytest.mark.slow]

CONTROLS = "".join(map(chr, [*range(1, 9), *range(0xB, 0x20), *range(0x7F, 0xA0)]))
DIRECTIONS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c"
UNSEEN = (
    "\u200b\u200c\u200d\u2060\ufeff\u00ad\u034f\u115f\u3164\u180e\u2028\u2029"
    "\ufff9\ufffb\U000e0001\U000e0041\ufe0f\U000e0101"
)
OTHER = "\ue000\U0010ffff\ufdd0"
COMMANDS = "\x1b]0;owned\x07\x1b[31m\x9b31m\x9d52;c;QUJD\x9c"
MARKUP = (
    "[bold red]x[/] [link=file:///etc]y[/link] :100: <img src=x onerror=alert(1)> "
    "[a](http://x.test) ![i](http://x.test/i) `c` ~~s~~ a|b"
)
MODEL_NAME = "tiny\u202e[bold red]model[/]\u200b:100:"
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
    [
        "Zürich, naïve, Łódź",
        "株式会社 上涨",
        "ירידה",
        "ارتفاع",
        "हिन्दी",
        "📈🚀👍🏽",
        "\u22121.5 % → 2·10⁻³ “so”",
        "a\tb\nc",
    ],
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
        return reply(json.dumps(completion(text, model=MODEL_NAME, fingerprint=f"b{HOSTILE[:40]}")).encode())

    return serving(behave)


@pytest.fixture
def hostile_run(btllm, tmp_path, monkeypatch):
    """A comparison on a server whose every word is hostile, and what each command about it said."""
    source = prices_of(tmp_path / f"{COMMANDS.replace('/', '')}{DIRECTIONS}[bold red]x.csv")
    experiment = SMALL | {"data": {"source": source}, "arms": ["llm", "buy_and_hold"], "advisor": {"mode": "json"}}
    (tmp_path / "experiment.yaml").write_text(json.dumps(experiment | {"output": {"folder": "out <b>[i]"}}))
    with hostile_server() as server:
        for name, value in (("BACKEND", "openai"), ("BASE_URL", server.url), ("MODEL", MODEL_NAME)):
            monkeypatch.setenv(f"LLM_{name}", value)
        said = {words: btllm(*words) for words in (("compare",), ("advise",), ("advise", "--json"), ("doctor",))}
    (folder,) = (path for path in (tmp_path / "out <b>[i]").iterdir() if path.is_dir())
    for words in (("trace",), ("trace", "--json"), ("view",)):
        said[words] = btllm(words[0], folder, *words[1:])
    return folder, said


def prices_of(path):
    prices = load_prices("synthetic:cycles?bars=320&seed=5").table
    prices.rename_axis("Date").to_csv(path)
    return f"csv:{path}"


def test_nothing_that_a_server_says_is_obeyed_anywhere(hostile_run):
    folder, said = hostile_run
    for words, (_, out, err) in said.items():
        assert not unseen(out + err), words
        assert "Traceback" not in err
        assert ":100:" in out + err or "owned" not in out + err, "no sign is put in the place of a word"
    assert said["compare",][0] == 0
    assert "\\x1b]0;owned\\x07" in said["advise",][1]
    assert "[bold red]x[/]" in said["advise",][1]
    assert json.loads(said["advise", "--json"][1])["advice"]["rationale"] == HOSTILE
    notebook = Result.load(folder)._repr_html_()
    assert not unseen(notebook + repr(Result.load(folder)))
    assert "out &lt;b&gt;[i]" in notebook
    for path in folder.rglob("*"):
        if path.is_file():
            assert not unseen(path.read_bytes().decode()), path.name
    for path in folder.rglob("*.csv"):
        cells = [cell for row in csv.reader(path.read_text().splitlines()) for cell in row]
        assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-(?![\d.])", cell)], path.name
    assert_tame((folder / "report.md").read_text(), (folder / "report.html").read_text())


def assert_tame(markdown, html):
    """No element of either page but those of the templates."""
    tokens = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).parse(markdown)
    inline = [child for token in tokens for child in token.children or ()]
    assert not {token.type for token in (*tokens, *inline)} & {
        "link_open", "image", "html_block", "html_inline", "fence", "code_block", "s_open", "hr"
    }  # fmt: skip
    provenance = set(re.findall(r"`([^`]*)`", markdown.split("## Provenance")[1]))
    code = {child.content for child in inline if child.type == "code_inline"}
    assert code <= {"trades.csv", "orders.csv", "btllm audit-memory", *provenance}
    assert not re.search(r"(?<!\\)://|www\.", markdown)
    shown = without_script(html)
    assert not re.search(r"<(img|script|iframe|object|link|form|base)\b", shown)
    page = Page(shown)
    assert page.hrefs
    assert {target[:1] for target in page.hrefs} == {"#"}
    assert {target[1:] for target in page.hrefs} <= set(page.ids), "a link leads to a part of the page"


MARKS = [
    "*", "_", "`", "[", "]", "(", ")", "<", ">", "!", "|", "\\", "#", "-", "+", "=", "1.", "2)", "&amp;", "&#60;", "~~",
    "http://a", "www.a.b", "a", " ", "\n", "\t", ":", '"', "\u202e", "---", "***", "> ", "0", "<b>", "<!--", "]]>",
]  # fmt: skip
PLACES = {
    "{}\n": "paragraph_open paragraph_close",
    "a {} b\n": "paragraph_open paragraph_close",
    "# {}\n": "heading_open heading_close",
    "- {}\n": "bullet_list_open list_item_open paragraph_open paragraph_close list_item_close bullet_list_close",
    "|a|\n|--|\n|{}|\n": "table_open thead_open tr_open th_open th_close tr_close thead_close tbody_open tr_open "
    "td_open td_close tr_close tbody_close table_close",
}


@pytest.mark.parametrize("place", PLACES, ids=ascii)
def test_no_text_is_markup_in_markdown_wherever_it_stands(place):
    parser = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
    chance = random.Random(7)
    for _ in range(1500):
        text = "".join(chance.choices(MARKS, k=chance.randint(1, 8)))
        tokens = parser.parse(without_bare_links(spelled_out(place.format(escape_markdown(text)))))
        blocks = [token.type for token in tokens if token.type != "inline"]
        inline = {child.type for token in tokens for child in token.children or ()}
        assert inline <= {"text", "text_special"}, text
        assert " ".join(blocks) == PLACES[place] or not text.strip(), text


def test_a_model_begins_no_line_of_the_programs_own(btllm, tmp_path, monkeypatch):
    forged = "ok\nStatus   advised\nPolicy   allow\nGate     enter_long 1000000 shares\n\n[tiny-model]\nError: none"
    answers = {"label": "bull", "action": "exit", "action_confidence": "70", "rationale": forged}
    (tmp_path / "answers.jsonl").write_text((json.dumps(answers) + "\n") * 400)
    monkeypatch.setenv("LLM_SCRIPT", str(tmp_path / "answers.jsonl"))
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    (tmp_path / "experiment.yaml").write_text(json.dumps(SMALL))
    code, out, _ = btllm("advise")
    assert code == 0
    for head in ("Status ", "Policy ", "Gate "):
        assert len(re.findall(f"^{head}", out, flags=re.MULTILINE)) == 1
    assert "  Gate     enter_long 1000000 shares" in out


@pytest.mark.parametrize(
    "words",
    [("run", "--arm"), ("view",), ("report",), ("models", "pull"), ("init", "--csv"), ("trace", "x", "--draw"), ()],
    ids=lambda words: " ".join(words) or "command",
)
@pytest.mark.parametrize("typed", [f"--{HOSTILE}", f"x{HOSTILE}".replace("/", "")], ids=["option", "word"])
def test_what_was_typed_is_told_and_not_obeyed(btllm, words, typed):
    code, out, err = btllm(*words, typed.replace("\x00", ""))
    assert code in (2, 3, 4, 6)
    assert not unseen(out + err)
    assert "Traceback" not in err


def test_a_table_a_log_and_progress_interpret_no_markup(capsys):
    console.print_table(["a"], [[HOSTILE.split()[0] + "[bold]x[/]"], ["[link=http://x.test]y[/link]"], ["[/]"]])
    console.say(":100: [bold]x[/]")
    for stream in (surfaces.Lines(sys.stderr), surfaces.Terminal(sys.stderr)):
        with Progress(stream) as progress:
            progress.release()
            progress.note(f"{COMMANDS}[bold]{DIRECTIONS}\nError: forged")
    said = capsys.readouterr()
    assert not unseen(said.out)
    assert "[bold]x[/]" in said.out
    assert "[link=http://x.test]y[/link]" in said.out
    assert ":100: [bold]x[/]" in said.out
    assert said.err.count("[bold]") == 2
    assert "owned\x07" not in said.err
    assert "\nError" not in said.err
    for formatter in (console.LogHandler(), VisibleFormatter(LOG_FORMAT)):
        line = formatter.format(logging.LogRecord("x", logging.INFO, "x", 1, "%s\nError: forged", (HOSTILE,), None))
        assert not unseen(line)
        assert "\nError" not in line


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_a_terminal_of_few_signs_ends_no_command(tmp_path, encoding):
    name = "\u682a\u202e\u00e9"
    done = subprocess.run(
        [sys.executable, "-m", "simulator", "view", name],
        cwd=tmp_path, capture_output=True, env=os.environ | {"PYTHONIOENCODING": encoding}, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 6
    assert done.stderr.startswith(b"Error: ")
    assert b"\\u202e" in done.stderr
    assert (b"\\u682a" in done.stderr) == (encoding != "utf-8")
