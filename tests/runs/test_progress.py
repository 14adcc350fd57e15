"""What a person sees while a run goes on: every stage with its line, questions counted, never silent for long."""

import io
import json
import os
import pty
import re
import subprocess
import sys
import threading
import time
from itertools import pairwise
from types import SimpleNamespace

import pytest
from small_run import reader, recording, small

import simulator
from llm_strategy.llm.settings import load_settings
from simulator.cli.console import say_report
from simulator.progress.run import RunStages
from simulator.progress.stages import Progress, TimeLeft
from simulator.progress.surfaces import Lines, progress_for

pytestmark = pytest.mark.slow

BTLLM = [sys.executable, "-m", "simulator"]


class Told:
    """A surface that keeps what it is told."""

    every = 0.02

    def __init__(self):
        self.lines, self.moments = [], []

    def open(self):
        pass

    def line(self, text):
        self.lines.append(text)

    def live(self, text, share=None):
        self.moments.append(text)

    def close(self):
        pass


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A comparison whose model takes its time, and what was told of it."""
    seen = Told()

    def slow(request):
        if len(seen.moments) < 400:
            time.sleep(0.005)  # so that the ticker finds it at work
        return reader(request)

    experiment = small(tmp_path_factory.mktemp("told"), evaluation={"bootstrap_samples": 100})
    with Progress(seen) as progress:
        result = simulator.compare(experiment, client=recording(slow)[0], progress=progress)
    return seen, result


def test_decisions_are_counted_as_they_are_made_and_not_bar_by_bar(tmp_path):
    seen = Told()
    advisor = {"decide_every": 10}
    experiment = small(tmp_path, advisor=advisor, arms=["llm", "momentum"], evaluation={"bootstrap_samples": 100})
    with Progress(seen) as progress:
        simulator.compare(experiment, client=recording(reader)[0], progress=progress)
    assert any("trading momentum: 16 decisions" in line for line in seen.lines)


def test_each_stage_has_its_line_in_order(told):
    seen, result = told
    assert re.fullmatch(r"Model: .* by scripted, a client that the program gave", seen.lines[0])
    begun = ["environment: 420 bars of CYCLES", "model: ", "asking ", "trading buy_and_hold: 151 decisions",
             "trading regime_rule: 151 decisions", "an adviser that wants", "measuring", "explanation",
             "page"]  # fmt: skip
    where = [next(n for n, line in enumerate(seen.lines) if line.startswith(begin)) for begin in begun]
    assert where == sorted(where)
    assert all(any(f"trading {arm.name}:" in line for line in seen.lines) for arm in result.record.arms[1:])


def test_questions_are_counted_not_bars(told):
    seen, result = told
    asked = result.record.manifest["usage"]["asked"]
    line = next(line for line in seen.lines if line.startswith("asking "))
    assert f": {asked:,} questions," in line
    counts = [
        tuple(map(int, found.groups())) for text in seen.moments if (found := re.match(r"asking .*? (\d+)/(\d+)", text))
    ]
    assert counts
    assert counts == sorted(counts)
    assert {total for _, total in counts} == {asked}


def test_answers_side_by_side_end_the_wait_for_the_first():
    client, seen = recording()[0], Told()
    with Progress(seen) as progress:
        stages = RunStages(progress, client)
        stages.ask(SimpleNamespace(to_ask=4))
        client.latencies.append(100)
        stages.asked(1, 4, 2)
        progress.release()
    assert seen.lines[-1].startswith("asking scripted: 1 questions, ")


def test_the_old_callbacks_are_told_as_well(tmp_path):
    bars, plans = [], []
    result = simulator.compare(
        small(tmp_path, arms=["llm", "buy_and_hold"], evaluation={"bootstrap_samples": 100}), client=recording()[0],
        on_bar=lambda *told: bars.append(told), on_estimate=plans.append, progress=False,
    )  # fmt: skip
    assert bars[-1] == ("market", 151, 151)
    assert plans[0].decisions == 151
    assert result.verdict


def test_time_left_does_not_jump():
    now = 0.0
    left = TimeLeft(lambda: now)
    now = 30.0  # loading
    assert left.seconds(1, 100) is None
    shown = []
    for done in range(2, 99):
        now += 4.0 if done % 10 == 0 else 1.0  # every tenth answer is slow
        shown.append(left.seconds(done, 100))
    known = [seconds for seconds in shown if seconds is not None]
    assert len(known) > 90
    assert known[20] == pytest.approx(1.3 * 77, rel=0.1)
    assert all(abs(b - a) < 0.1 * a + 2 for a, b in pairwise(known[15:]))
    now += 0.5
    assert left.seconds(98, 100) < known[-1]  # it goes on between two answers


def test_a_log_hears_of_a_long_stage_and_never_waits_five_seconds():
    assert Lines.every < 5
    stream = io.StringIO()
    surface = Lines(stream)
    surface.every = 0.05
    with Progress(surface) as progress:
        progress.note("Model: one")
        progress.begin("asking", 10)
        progress.at(4)
        deadline = time.monotonic() + 5
        while stream.getvalue().count("asking 4/10") < 3 and time.monotonic() < deadline:
            threading.Event().wait(0.02)
    lines = stream.getvalue().splitlines()
    assert lines[0] == "Model: one"
    assert sum(line.startswith("asking 4/10, ") for line in lines) >= 3
    assert "\x1b" not in stream.getvalue()


def test_nothing_is_told_of_a_run_that_cannot_begin():
    seen = Told()
    seen.every = 60

    def run():
        with Progress(seen) as progress:
            progress.head("Model: one")
            progress.begin("environment")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        run()
    assert seen.lines == seen.moments == []


def write_experiment(folder):
    (folder / "e.yaml").write_text(
        "name: small\ndata: {source: 'synthetic:cycles?bars=420&seed=5'}\narms: [buy_and_hold, momentum]\n"
        "evaluation: {bootstrap_samples: 100}\noutput: {folder: out}\n"
    )


@pytest.fixture
def command(commands, tmp_path):
    """Run a command in a folder with an experiment; how it ended and what it said."""
    write_experiment(tmp_path)

    def run(*words, **settings):
        process = commands.popen(tmp_path, settings, words)
        out, err = process.communicate()
        return SimpleNamespace(returncode=process.returncode, stdout=out, stderr=err)

    return run


def test_a_log_has_plain_lines_and_the_result_a_link(tmp_path, command):
    done = command("compare", "e.yaml")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    assert (
        "Model: none is asked, all arms are rules" in done.stderr.splitlines()
    )  # on a slow machine the libraries come first
    assert "model: all arms are rules, none is asked" in done.stderr
    assert "trading momentum: 151 decisions" in done.stderr
    link = re.search(r"file://\S+report\.html", done.stdout)[0]
    assert os.path.exists(link.removeprefix("file://"))
    folder = re.search(r"btllm view (\S+)", done.stdout)[1]
    viewed = command("view", folder, BROWSER="no-such-browser", DISPLAY="")
    assert viewed.returncode == 0
    assert link in viewed.stdout
    assert "browser" in viewed.stderr
    assert command("view", "nowhere").returncode == 6


def test_a_quiet_command_says_where_the_page_is_and_nothing_else(tmp_path):
    """From a process that loads the libraries itself, which say nothing either."""
    write_experiment(tmp_path)
    done = subprocess.run([*BTLLM, "compare", "e.yaml", "--quiet"], cwd=tmp_path, text=True, capture_output=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"out/small-\w+/report\.html\n", done.stdout)


def test_programs_get_json_alone_on_stdout(command):
    done = command("compare", "e.yaml", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["report"].endswith("report.html")


def test_a_terminal_shows_what_goes_on_by_itself_in_a_script(tmp_path):
    """``compare`` in a script, its error stream a terminal: progress; its standard output stays the script's."""
    program = (
        "import simulator\n"
        "result = simulator.compare({'data': {'source': 'synthetic:cycles?bars=420&seed=5'}, 'arms': ['momentum', "
        "'buy_and_hold'], 'evaluation': {'bootstrap_samples': 100}, 'output': {'folder': 'out'}})\n"
        "print(result)\n"
    )
    ours, theirs = pty.openpty()
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, stderr=theirs)
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 4096):
            seen += piece
    except OSError:  # the terminal has gone with the program
        pass
    out, _ = process.communicate()
    assert process.returncode == 0, seen
    assert "trading momentum: 151 decisions" in seen.decode()
    assert re.fullmatch(r"<Result of 3 arms: no model; report out/\S+report\.html>\n", out.decode())


def test_without_a_person_looking_on_a_script_is_silent(capsys, tmp_path):
    with progress_for(None) as progress:
        assert not progress.shows
    simulator.run(small(tmp_path), "momentum")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("dotenv", "file", "environment", "said"),
    [
        ("", "", {}, "defaults"),
        ("", "backend: scripted\n", {}, "configs/llm.yaml"),
        ("LLM_MODEL=x\n", "", {}, ".env"),
        ("OTHER=x\n", "", {}, "defaults"),
        ("LLM_MODEL=x\n", "backend: scripted\n", {"LLM_BACKEND": "openai"},
         "configs/llm.yaml, .env and the environment"),
    ],
)  # fmt: skip
def test_where_settings_come_from_is_said(tmp_path, monkeypatch, dotenv, file, environment, said):
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("LLM_"):
            monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if dotenv:
        (tmp_path / ".env").write_text(dotenv)
    if file:
        (tmp_path / "configs").mkdir()
        (tmp_path / "configs" / "llm.yaml").write_text(file)
    assert load_settings().source == said


def test_a_path_with_blanks_is_quoted_for_the_shell(capsys, tmp_path):
    say_report(tmp_path / "a b" / "report.html")
    said = capsys.readouterr().out
    assert "a%20b/report.html" in said
    assert f"btllm view '{tmp_path}/a b'" in said


@pytest.mark.parametrize(("words", "offered"), [("btllm com", "compare"), ("btllm models pu", "pull")])
def test_tab_completes_commands(words, offered):
    environment = {
        **os.environ,
        "_BTLLM_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    program = "import sys; sys.argv = ['btllm']; from simulator.cli.main import app; app(prog_name='btllm')"
    done = subprocess.run([sys.executable, "-c", program], env=environment, text=True, capture_output=True)
    assert offered in done.stdout.split()


def test_a_replay_and_a_rebuilt_page_say_nothing_beside_their_result(command):
    done = command("compare", "e.yaml", "--quiet")
    folder = os.path.dirname(done.stdout.strip())
    for words, said in ((["replay", folder], "same"), (["report", folder], "Report: ")):
        done = command(*words)
        assert done.returncode == 0
        assert done.stdout.startswith(said)
        assert not [line for line in done.stderr.splitlines() if not re.search(r", [\d.]+ (s|min)$", line)]


NOTEBOOK = """
import sys
sys.modules["ipywidgets"] = None  # as where widgets are not installed
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output
from simulator.progress.surfaces import Notebook

InteractiveShell.instance()
with capture_output() as shown:
    surface = Notebook()
    surface.open()
    surface.line("Model: <b>none</b>")
    surface.live("asking 3/4", 0.75)
    surface.live("measuring")
    surface.close()
for each in shown.outputs:
    print(each.data["text/html"].replace(chr(10), " "))
"""


def test_a_notebook_has_a_bar_without_any_widget(tmp_path):
    done = subprocess.run([sys.executable, "-c", NOTEBOOK], cwd=tmp_path, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    _, line, asking, measuring, closed = done.stdout.splitlines()
    assert "Model: &lt;b&gt;none&lt;/b&gt;" in line
    assert '<progress max="1" value="0.7500"' in asking
    assert "asking 3/4" in asking
    assert "<progress" not in measuring + closed
    assert "asking" not in closed
