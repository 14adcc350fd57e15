"""Questions handed in as files: what comes back is told line by line, and a run on it is the live run's own."""

import json
from pathlib import Path

import pytest
from batch_service import batch_server, line, live, run_batch
from command_line import only_error, write_experiment
from misbehaving_server import MODEL, by_turns, completion, nobody_listens, serving
from small_run import files

import simulator

pytestmark = [pytest.mark.server, pytest.mark.slow]

SECTIONS = {
    "data": {"source": "synthetic:cycles?bars=330&seed=5"},
    "advisor": {"style": "numbers", "decimals": 2},
    "evaluation": {"bootstrap_samples": 100, "placebos": 19},
    "output": {"folder": "out", "explain": False},
}
PINNED = {"answer_format": "json_schema", "reported_model": MODEL}


def settings(folder, url, **openai):
    (folder / "configs").mkdir(exist_ok=True)
    known = {name: value for name, value in (PINNED | openai).items() if value is not None}
    text = json.dumps(
        {
            "backend": "openai",
            "model": MODEL,
            "base_url": url,
            "openai": known,
            "ensemble": {"members": ["openai", "scripted"]},
            "attempts": 1,
        }
    )
    (folder / "configs" / "llm.yaml").write_text(text)


@pytest.fixture
def place(tmp_path):
    """A folder with an experiment whose model answers files alone: nobody listens at its address."""
    with nobody_listens() as url:
        settings(tmp_path, url)
        yield write_experiment(tmp_path, **SECTIONS)


def evidence(result):
    """The files of a run, without those that hold the time of day."""
    return {name: data for name, data in files(result.folder).items() if not name.startswith(("manifest", "audit"))}


@pytest.fixture(scope="module")
def live_run(tmp_path_factory):
    """The files of the run that asked the same model at its address, how many questions that took, and the files of the
    same run once all of them were on record."""
    folder = tmp_path_factory.mktemp("live")
    with pytest.MonkeyPatch.context() as patch, serving(by_turns(live)) as server:
        patch.chdir(folder)
        patch.setenv("BTLLM_CACHE_DIR", str(folder / "cache"))
        settings(folder, server.url)
        experiment = write_experiment(folder, **SECTIONS)
        asking, on_record = (evidence(simulator.run(experiment, progress=False)) for _ in range(2))
        return asking, len(server.questions), on_record


def exported(btllm, experiment, out="questions.jsonl"):
    code, said, _ = btllm("questions", "export", experiment, "--out", out, "--json")
    assert code == 0
    (told,) = json.loads(said)["models"]
    return told


def imported(btllm, experiment, *answers):
    code, said, _ = btllm("questions", "import", experiment, *answers, "--json")
    assert code == 0
    return json.loads(said)


def run_again(experiment):
    """The files of a run that asks nothing."""
    result = simulator.run(experiment, progress=False)
    assert result.record.manifest["usage"]["asked"] == 0
    return evidence(result)


TELL_WHAT_WAS_ASKED_NOW = {"facts.json", "report.html", "report.md"}


def test_a_run_on_answers_that_came_as_files_is_the_live_run(btllm, place, live_run):
    asking, asked, on_record = live_run
    first = exported(btllm, place)
    run_batch(Path("questions.jsonl"), Path("answers.jsonl"))
    done = imported(btllm, place, "answers.jsonl")
    assert done["counts"]["answered"] == first["written"] == first["distinct"]
    assert done["missing"] == done["further"] > 0  # the repairs of answers that broke the contract
    assert exported(btllm, place, "second.jsonl")["written"] == done["further"]
    run_batch(Path("second.jsonl"), Path("answers-2.jsonl"))
    assert imported(btllm, place, "answers-2.jsonl")["missing"] == 0
    assert first["written"] + done["further"] == asked
    ours = run_again(place)
    assert ours == on_record
    assert {name for name in ours if ours[name] != asking[name]} == TELL_WHAT_WAS_ASKED_NOW
    write_experiment(place.parent, **SECTIONS | {"advisor": SECTIONS["advisor"] | {"answers": "replay"}})
    assert exported(btllm, place)["written"] == 0
    assert run_again(place)["decisions.jsonl"] == asking["decisions.jsonl"]


def spoiled(lines):
    """One answer missing, one twice, one twice and otherwise, and lines that are no answer: what else may come back."""
    keys = list(lines)
    other = json.loads(lines[keys[2]])
    other["response"]["body"]["choices"][0]["message"]["content"] = "{}"
    refused = {"error": {"message": "Overloaded.", "type": "server_error"}}
    thought = completion("", finish="length")
    fate = {
        keys[0]: None,
        keys[3]: lines[keys[3]][:-40],
        keys[4]: line(keys[4], refused, status=500),
        keys[5]: line(keys[5], None, status=None, error={"code": "batch_expired", "message": "Expired."}),
        keys[6]: line(keys[6], completion("{}", model="another-model")),
        keys[7]: line(keys[7], thought),
        keys[8]: line(keys[8], {"object": "list", "data": []}),
    }
    written = [fate.get(key, text) for key, text in lines.items()]
    return [
        *filter(None, written),
        lines[keys[1]],
        json.dumps(other),
        line("0" * 64, completion("{}")),
        "",
        "[]",
        json.dumps({"response": None}),
    ]


def test_each_line_that_is_no_use_is_told_none_is_lost_and_the_missing_are_asked_again(btllm, place, live_run):
    exported(btllm, place)
    keys = run_batch(Path("questions.jsonl"), Path("answers.jsonl"), spoil=spoiled)
    done = imported(btllm, place, "answers.jsonl")
    fates = {(row["fate"], row["question"]) for row in done["lines"] if row["fate"] != "malformed line"}
    assert fates == {
        ("answered twice", keys[1]),
        ("answered otherwise before", keys[2]),
        ("failed", keys[4]),
        ("failed", keys[5]),
        ("another model", keys[6]),
        ("failed", keys[7]),
        ("failed", keys[8]),
        ("unknown question", "0" * 64),
    }
    assert done["counts"]["malformed line"] == 3
    assert all(row["why"] for row in done["lines"] if row["fate"] != "answered twice")
    told = {row["question"]: row["why"] for row in done["lines"]}
    assert "HTTP status 500 (Overloaded)" in told[keys[4]]
    assert "Expired" in told[keys[5]]
    assert "'another-model' and not as 'tiny-model'" in told[keys[6]]
    assert "raise LLM_MAX_TOKENS" in told[keys[7]]
    assert done["counts"]["answered"] == len(keys) - 7
    assert done["missing"] == 7 + done["further"]
    code, table, _ = btllm("questions", "import", place, "answers.jsonl")
    assert code == 0
    assert f"Missing: {done['missing']} questions" in table
    assert "run export again: it writes only the missing ones." in table
    assert "another model" in table
    again = exported(btllm, place)
    asked = [json.loads(text)["custom_id"] for text in Path("questions.jsonl").read_text().splitlines()]
    assert again["written"] == done["missing"]
    assert {keys[0], *keys[3:9]} <= set(asked)
    assert not set(asked) & {*keys[1:3], *keys[9:]}
    for number in (2, 3):  # the repairs of those that came late need a round of their own
        run_batch(Path("questions.jsonl"), Path(f"answers-{number}.jsonl"))
        imported(btllm, place, f"answers-{number}.jsonl")
        exported(btllm, place)
    assert run_again(place) == live_run[2]


def test_a_batch_service_takes_the_files_and_its_answers_make_the_live_run(btllm, place, live_run, monkeypatch):
    monkeypatch.setenv("LLM_API_KEY", "sk-planted-4711")
    with batch_server(place.parent) as service:
        settings(place.parent, service.url)
        whole = exported(btllm, place)["written"]
        code, said, _ = btllm("questions", "submit", place, "questions.jsonl")
        assert code == 0
        assert said.splitlines()[0] == "questions.jsonl: batch_0"
        assert "batch_0: in_progress, 0 of 0 answered" in btllm("questions", "fetch", place, "batch_0")[1]
        failed = -(-whole // 10)
        code, said, _ = btllm("questions", "fetch", place, "batch_0", "--to", "back")
        assert code == 0
        assert f"batch_0: completed, {whole - failed} of {whole} answered, {failed} failed" in said
        back = [str(Path("back", f"batch_0-{kind}.jsonl")) for kind in ("answers", "errors")]
        assert said.splitlines()[-1] == f"Next: btllm questions import {place} {' '.join(back)}"
        done = imported(btllm, place, *back)
        assert done["counts"]["failed"] == failed
        assert done["missing"] == failed + done["further"]
        assert set(service.keys) == {"Bearer sk-planted-4711"}
        assert "sk-planted" not in "".join(path.read_text() for path in place.parent.glob("**/*.jsonl"))
        assert "No such batches" in only_error(btllm("questions", "fetch", place, "batch_9"), 4)
        assert "There is no file" in only_error(btllm("questions", "submit", place, "none.jsonl"), 2)
    for number in (1, 2):
        exported(btllm, place)
        run_batch(Path("questions.jsonl"), Path(f"answers-{number}.jsonl"))
        imported(btllm, place, f"answers-{number}.jsonl")
    assert run_again(place) == live_run[2]
    with serving(by_turns(live)) as server:
        settings(place.parent, server.url)
        told = only_error(btllm("questions", "fetch", place, "batch_0"), 4)
        assert "answer the files with vllm run-batch" in told


@pytest.fixture
def script(monkeypatch, tmp_path):
    """A model that answers from a file in this process."""
    (tmp_path / "script.jsonl").write_text("{}\n")
    monkeypatch.setenv("LLM_SCRIPT", str(tmp_path / "script.jsonl"))


def test_of_several_advisors_those_are_written_that_ask_a_server(btllm, script, place):
    document = SECTIONS | {"advisors": {"small": {"backend": "scripted"}, "large": {}, "strict": {"mode": "json"}}}
    del document["advisor"]
    write_experiment(place.parent, **document, arms=["small", "large", "strict"])
    code, said, noted = btllm("questions", "export", place)
    assert code == 0, noted
    assert "tiny-model: " in said
    assert "Advisor small: the backend scripted takes no files of questions: let btllm compare ask it" in noted
    asked = [json.loads(text) for text in Path("questions.jsonl").read_text().splitlines()]
    assert len(asked) == len({each["custom_id"] for each in asked})
    assert {len(each["body"]["messages"]) for each in asked} == {2}


def test_draws_are_questions_of_their_own_and_files_keep_to_the_limits_of_services(btllm, place, monkeypatch):
    once = exported(btllm, place)
    write_experiment(place.parent, **SECTIONS | {"evaluation": SECTIONS["evaluation"] | {"draws": 3}})
    monkeypatch.setattr("simulator.runs.batch.export.MOST_LINES", 100)
    code, said, noted = btllm("questions", "export", place)
    assert code == 0
    assert f"{3 * once['written']} written" in said
    parts = [Path(f"questions-{number}.jsonl").read_text().splitlines() for number in (1, 2)]
    assert [len(lines) for lines in parts] == [100, 3 * once["written"] - 100]
    assert "Of an earlier export, and not of this one: questions.jsonl." in noted
    monkeypatch.setattr("simulator.runs.batch.export.MOST_BYTES", 20_000)
    assert all(path.stat().st_size <= 20_000 for path in map(Path, exported(btllm, place)["files"]))


def test_what_cannot_be_handed_in_as_files_is_one_sentence(btllm, script, place, monkeypatch):
    def refused(code=2, command="export", *more, **sections):
        write_experiment(place.parent, **SECTIONS | sections)
        return only_error(btllm("questions", command, place, *more), code)

    assert "answers is refresh" in refused(advisor={"answers": "refresh"})
    assert "No arm asks a model" in refused(arms=["regime_rule"])
    assert "There is no file" in refused(2, "import", "nowhere.jsonl")
    assert "it is a folder" in refused(2, "import", ".")
    monkeypatch.setenv("LLM_BACKEND", "scripted")
    assert "The backend scripted takes no files of questions: let btllm compare ask it" in refused()
    monkeypatch.setenv("LLM_BACKEND", "ensemble")
    settings(place.parent, "http://127.0.0.1:9/v1")
    told = refused()
    assert "The backend ensemble takes no files of questions" in told
    monkeypatch.delenv("LLM_BACKEND")
    settings(place.parent, "http://127.0.0.1:9/v1", answer_format=None)
    told = refused(4)
    assert (
        "where it answers files alone, set openai.answer_format and openai.reported_model in configs/llm.yaml" in told
    )
