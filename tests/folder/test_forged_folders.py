"""A run folder that a stranger has worked on: refused by file, whatever plain hashes were written anew, and never made
honest by a command."""

import hashlib
import json
import os
import random
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from small_run import files, reader, recording, seal
from typer.testing import CliRunner

import simulator
from llm_strategy.errors import AnswerTimeout, RunFolderError
from simulator.cli.main import app
from simulator.folder import integrity

pytestmark = pytest.mark.slow

SHORT = {"trend": 20, "momentum": 5, "volatility": 10, "volatility_rank": 30, "drawdown": 20, "range_position": 10,
         "volume_ratio": 10}  # fmt: skip
PAGES = ("facts.json", "report.html", "report.md")
USES = (simulator.rebuild_report, simulator.replay)


def explaining(request):
    """A model that reads, and of the parts explains some, fails at one and names none of the choices in another."""
    slot = next((part for part in request.form if getattr(part, "name", "") in ("fact", "beside", "relation")), None)
    if slot is None:
        return reader(request) | {"test": "after deep drawdowns"}
    if request.messages[1].content.startswith("Where it lost"):
        return AnswerTimeout("No answer in time.")
    against = request.messages[1].content.startswith("Against what")
    return {slot.name: "It will rise for ever." if against else slot.choices[0]}


def made(folder, client, arms=("llm", "buy_and_hold", "momentum"), **sections):
    experiment = simulator.Experiment.from_mapping(
        {
            "name": "forged",
            "data": {"source": "synthetic:cycles?bars=90&seed=5"},
            "advisor": {"lookbacks": SHORT},
            "arms": list(arms),
            "baselines": {"momentum": {"bars": 10}},
            "evaluation": {"bootstrap_samples": 100, "draws": 2 if "llm" in arms else 1},
            "output": {"folder": str(folder)},
        }
        | sections
    )
    return simulator.compare(experiment, client=client, progress=False).folder


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    return made(tmp_path_factory.mktemp("run"), recording(explaining)[0])


@pytest.fixture
def copy(finished, tmp_path):
    return shutil.copytree(finished, tmp_path / "copy")


def refused(folder, name, uses=USES):
    for use in uses:
        with pytest.raises(RunFolderError, match=re.escape(name)) as told:
            use(folder)
        assert told.value.exit_code == 6
        assert "\n" not in str(told.value)


def forge(folder, name, content):
    """Put other bytes in place of a file, and its new sha256 wherever a manifest holds the old one."""
    old, new = (hashlib.sha256(text).hexdigest() for text in ((folder / name).read_bytes(), content))
    (folder / name).write_bytes(content)
    for path in folder.rglob("manifest.json"):
        path.write_text(path.read_text().replace(old, new))


def swap_digits(text):
    return text.translate(str.maketrans("123456789", "234567891"))


@pytest.mark.parametrize(
    "name",
    [
        "llm/decisions.jsonl", "llm/draw-2/decisions.jsonl", "llm/draw-2/equity.csv", "momentum/decisions.jsonl",
        "llm/equity.csv", "buy_and_hold/equity.csv", "momentum/trades.csv", "momentum/orders.csv", "prices.csv",
        "harm.json", "explanation.json", "facts.json", "llm/facts.json", "report.html", "report.md", "audit.jsonl",
    ],
)  # fmt: skip
def test_a_forged_file_is_named_though_its_hash_was_written_anew(copy, name):
    content = (copy / name).read_text()
    forge(copy, name, (swap_digits(content) if swap_digits(content) != content else f"{content} ").encode())
    refused(copy, name)
    if name.startswith("llm/"):
        refused(copy / "llm", Path(name).name)


@pytest.mark.parametrize("part", ["", "llm/", "momentum/"])
def test_no_field_of_a_manifest_can_be_changed_or_taken_away(copy, part):
    path = copy / part / "manifest.json"
    text = path.read_text()
    honest = json.loads(text)
    for key in honest:
        other = type(honest[key])() if honest[key] else {"changed": 1}
        for forged in (honest | {key: other}, {name: held for name, held in honest.items() if name != key}):
            path.write_text(json.dumps(forged))
            refused(copy, f"{part}manifest.json", USES[:1])
    path.write_text(text)
    assert all(check.same for check in simulator.replay(copy))


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest["experiment"]["evaluation"].update(confidence_level=0.5),
        lambda manifest: manifest["experiment"]["costs"].update(commission_bps=0.0),
        lambda manifest: manifest["versions"].update({"backtrader-llm": "9.9.9"}),
        lambda manifest: manifest.update(identity="0" * 64),
        lambda manifest: manifest["arms"].remove("momentum"),
        lambda manifest: manifest["model"].update(name="another-model"),
    ],
    ids=["confidence", "costs", "version", "identity", "arms", "model"],
)
def test_the_identity_is_computed_again_where_the_seal_was_too(copy, change):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    change(manifest)
    if "momentum" not in manifest["arms"]:
        shutil.rmtree(copy / "momentum")
    path.write_text(json.dumps(manifest))
    integrity.seal(copy)
    refused(copy, "manifest.json")


def test_a_folder_bears_the_name_of_its_own_run(finished, tmp_path):
    shutil.copytree(finished, tmp_path / "forged-01234567")
    refused(tmp_path / "forged-01234567", "manifest.json")
    shutil.copytree(finished, tmp_path / f"{finished.name}-backup")
    simulator.rebuild_report(tmp_path / f"{finished.name}-backup")


def test_a_file_that_is_gone_is_named(finished, tmp_path):
    for number, name in enumerate(files(finished)):
        copy = shutil.copytree(finished, tmp_path / str(number))
        (copy / name).unlink()
        if name.endswith("manifest.json"):
            refused(copy, "it has no manifest.json")
        else:
            page = Path(name).name in PAGES
            refused(copy, name, USES[1:] if page else USES)
            if page:  # as 'btllm view' says
                simulator.rebuild_report(copy)
                assert (copy / name).read_bytes() == (finished / name).read_bytes()


@pytest.mark.parametrize(
    "name",
    [
        "notes.txt",
        "a\nb",
        "llm/notes.txt",
        "llm/draw-3/equity.csv",
        "momentun/equity.csv",
        "empty/",
        "calibration.json",
    ],
)
def test_a_file_that_no_run_wrote_is_named(copy, name):
    (copy / name).parent.mkdir(exist_ok=True)
    (copy / name).mkdir() if name.endswith("/") else (copy / name).write_text("1\n")
    refused(copy, f"{ascii(name)[1:-1]} in {copy} is none of its files: remove it.")


def test_an_arm_is_replayed_where_it_stands_in_its_comparison(copy):
    for arm in ("llm", "momentum"):
        assert all(check.same for check in simulator.replay(copy / arm))
        (copy / arm / "equity.csv").unlink()
        refused(copy / arm, "equity.csv")


def test_what_a_system_leaves_behind_is_no_file_of_the_run(copy):
    (copy / ".DS_Store").write_bytes(b"\0\1")
    (copy / "llm" / "._equity.csv").write_bytes(b"\0\1")
    simulator.rebuild_report(copy)
    assert all(check.same for check in simulator.replay(copy))


@pytest.mark.parametrize("name", ["manifest.json", "llm", "llm/decisions.jsonl", "prices.csv", "facts.json", "new.csv"])
@pytest.mark.parametrize("kind", ["link", "pipe", "device"])
def test_links_pipes_and_devices_are_refused_by_every_reader(finished, copy, name, kind):
    path = copy / name
    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    else:
        path.symlink_to("/dev/zero" if kind == "device" else finished / name)
    readers = (*USES, lambda folder: simulator.rebuild_report(folder, anyway=True), lambda folder: trace(folder))
    refused(copy, f"{name} is a {'pipe' if kind == 'pipe' else 'link'}", readers)


def trace(folder):
    from simulator.runs.trace import trace as trace_decision

    return trace_decision(folder)


def says_more(told):
    first = told["paragraphs"][1]["sentences"][0]
    said = "The advice doubled the account."
    first.update(text=said, template=said, source="model")


def hides_a_refusal(told):
    for paragraph in told["paragraphs"]:
        paragraph["refused"] = []


@pytest.mark.parametrize(
    "change",
    [says_more, hides_a_refusal, lambda told: told["counts"].update(refused=0), lambda told: told["requests"].clear(),
     lambda told: told["paragraphs"].pop()],
    ids=["says more", "hides a refusal", "counts", "answers", "paragraph"],
)  # fmt: skip
def test_an_explanation_is_judged_again_from_its_answers(copy, change):
    path = copy / "explanation.json"
    told = json.loads(path.read_text())
    assert told["counts"]["shown"]
    assert told["counts"]["refused"]
    change(told)
    path.write_text(json.dumps(told, sort_keys=True, indent=1, ensure_ascii=False) + "\n")
    seal(copy)
    refused(copy, "explanation.json", USES[:1])
    assert "explanation.json" in [check.name for check in simulator.replay(copy) if not check.same]
    page = simulator.rebuild_report(copy, anyway=True).with_suffix(".md").read_text()
    assert "evidence changed since the run: explanation.json" in page
    assert "doubled the account" not in page


def test_an_explanation_of_rules_by_the_program_or_by_a_model_is_judged_again(tmp_path):
    for number, client in enumerate((recording(explaining)[0], None)):
        folder = made(tmp_path / str(number), client, arms=["buy_and_hold", "momentum"])
        assert all(check.same for check in simulator.replay(folder))
        path = folder / "explanation.json"
        told = json.loads(path.read_text())
        assert bool(told["requests"]) == (client is not None)
        told["paragraphs"][0]["sentences"][0]["text"] += " And more."
        path.write_text(json.dumps(told))
        refused(seal(folder), "explanation.json", USES[:1])


def edit_answer(folder):
    path = folder / "llm" / "decisions.jsonl"
    path.write_text(path.read_text().replace("enter_long", "enter_short", 1))


def edit_question(folder):
    path = folder / "llm" / "decisions.jsonl"
    path.write_text(re.sub(r'"request":"\w{64}"', f'"request":"{"0" * 64}"', path.read_text(), count=1))


def edit_equity(folder):
    path = folder / "momentum" / "equity.csv"
    path.write_text(path.read_text().rstrip("\n") + "1\n")


@pytest.mark.parametrize(
    ("change", "name"),
    [
        (edit_answer, "llm/decisions.jsonl"),
        (edit_question, "llm/decisions.jsonl"),
        (edit_equity, "momentum/equity.csv"),
    ],
    ids=["answer", "question", "equity"],
)
def test_a_replay_tells_a_forged_folder_whose_seal_was_written_anew(copy, change, name):
    change(copy)
    seal(copy)
    done = CliRunner().invoke(app, ["replay", str(copy), "--to", str(copy.with_name("again"))])
    assert done.exit_code == 6
    assert name in " ".join(done.stderr.split())
    if copy.with_name("again").exists():  # a copy of what differs is not sealed as if it were a run
        refused(copy.with_name("again"), "manifest.json")


def test_a_copy_made_by_a_replay_passes_as_the_run_does(copy, tmp_path):
    simulator.replay(copy, tmp_path / "again")
    simulator.rebuild_report(tmp_path / "again")
    assert all(check.same for check in simulator.replay(tmp_path / "again"))


def test_a_page_made_anyway_makes_no_forged_folder_honest(finished, copy):
    edit_equity(copy)
    for _ in range(2):
        page = simulator.rebuild_report(copy, anyway=True)
        assert re.search("evidence changed since the run: .*momentum/equity.csv", page.read_text())
        refused(copy, "momentum/equity.csv")
    shutil.copy(finished / "momentum" / "equity.csv", copy / "momentum" / "equity.csv")
    refused(copy, "report.html")
    for name in (*PAGES, "momentum/facts.json"):
        (copy / name).unlink()
    simulator.rebuild_report(copy)
    assert {name for name, held in files(finished).items() if files(copy)[name] != held} == set()


def test_a_report_of_an_arm_seals_the_arm_and_nothing_else(copy):
    edit_equity(copy)
    simulator.rebuild_report(copy / "llm")
    simulator.rebuild_report(copy / "llm")
    refused(copy, "momentum/equity.csv")
    path = copy / "manifest.json"
    path.write_text(path.read_text().replace('"complete"', '"failed"'))
    refused(copy / "llm", "manifest.json")


@pytest.fixture
def unsealed(tmp_path):
    """A run of the embedded model by the version before there were seals, without its page."""
    with tarfile.open(Path(__file__).parents[1] / "golden" / "unsealed_run.tar.xz") as kept:
        kept.extractall(tmp_path, filter="data")
    return next(tmp_path.glob("old-*"))


def test_an_honest_folder_from_before_there_were_seals_passes_and_is_told(unsealed):
    for words in (["replay"], ["report"], ["replay"]):
        done = CliRunner().invoke(app, [*words, str(unsealed)])
        assert done.exit_code == 0, done.output
        assert "has no seal, as an earlier version wrote it" in " ".join(done.stderr.split())
    assert "seal" not in json.loads((unsealed / "manifest.json").read_text())


@pytest.mark.parametrize("name", ["llm/decisions.jsonl", "random/equity.csv", "manifest.json"])
def test_a_forged_folder_from_before_there_were_seals_is_refused(unsealed, name):
    content = (unsealed / name).read_text()
    changed = content.replace('"identity": "', '"identity": "0') if name == "manifest.json" else swap_digits(content)
    (unsealed / name).write_text(changed)
    refused(unsealed, name)


def test_taking_the_seal_away_makes_no_earlier_version(copy):
    path = copy / "manifest.json"
    manifest = json.loads(path.read_text())
    del manifest["seal"]
    path.write_text(json.dumps(manifest))
    refused(copy, "manifest.json")


def test_view_and_trace_tell_what_was_changed(copy, monkeypatch):
    monkeypatch.setattr("webbrowser.open", lambda link: True)
    assert "Changed" not in CliRunner().invoke(app, ["view", str(copy)]).stderr
    edit_equity(copy)
    for words in (["view"], ["trace"]):
        done = CliRunner().invoke(app, [*words, str(copy)])
        assert done.exit_code == 0
        assert "Changed since the run: momentum/equity.csv" in done.stderr


def damage(content, dice):
    """Bytes as a failing disk or a careless hand leaves them."""
    at = dice.randrange(len(content))
    return dice.choice(
        [
            content[:at],
            content[:at] + bytes([content[at] ^ 1 << dice.randrange(8)]) + content[at + 1 :],
            content[:at] + b"\xff\0" * dice.randrange(1, 5) + content[at:],
            b"[" * 100_000,
            content.decode().encode("utf-16"),
            re.sub(rb"(?<=[:,] )-?\d+", b"1" + b"0" * 400, content, count=3) + b" ",
            re.sub(rb"\d+\.\d+", b"NaN", content, count=3) + b" ",
        ]
    )


def test_damage_of_any_file_is_one_sentence(finished, copy):
    dice = random.Random(11)
    names = list(files(finished))
    for _ in range(150):
        name = dice.choice(names)
        honest = (copy / name).read_bytes()
        (copy / name).write_bytes(damage(honest, dice))
        if not says_the_same((copy / name).read_bytes(), honest, name):
            refused(copy, Path(name).name)
        (copy / name).write_bytes(honest)


def says_the_same(content, honest, name):
    """Whether bytes say what they said: white space in a manifest says nothing."""
    try:
        return content == honest or (name.endswith("manifest.json") and json.loads(content) == json.loads(honest))
    except (ValueError, RecursionError):
        return False
