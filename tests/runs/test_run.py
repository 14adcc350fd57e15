"""From an experiment to a run folder and back: records, resumption, replay, failure, with a scripted model."""

import json
import shutil

import pytest
from small_run import asks_advice, files, reader, recording, seal, small

import simulator
from llm_strategy.errors import (
    AnswerNotRecorded,
    AnswerTimeout,
    BackendFailure,
    ConfigurationError,
    MarketDataError,
    PromptTooLong,
    RunFolderError,
    TooManyFailures,
)
from llm_strategy.llm import MemoryStore, RecordingClient
from simulator.experiment.arms import USUAL_ARMS
from simulator.runs.compare import execute

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A comparison of all arms, run once."""
    client, model = recording()
    result = simulator.compare(small(tmp_path_factory.mktemp("run"), arms=USUAL_ARMS), client=client)
    return result, model


def test_a_comparison_writes_what_the_record_promises(finished):
    result, _ = finished
    arms = list(simulator.Experiment().compared)
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["arms"] == arms
    assert {path.name for path in result.folder.iterdir()} == {
        *arms, "audit.jsonl", "manifest.json", "prices.csv", "harm.json", "placebos.json", "robustness.json",
        "trials.json", "facts.json", "explanation.json", "report.html", "report.md",
    }  # fmt: skip
    for arm in arms:
        assert {path.name for path in (result.folder / arm).iterdir()} == {
            "manifest.json", "decisions.jsonl", "orders.csv", "trades.csv", "equity.csv", "facts.json",
            *(["questions.json", "request.json"] if arm == "llm" else []),
        }  # fmt: skip
    assert list(result.table.index) == arms
    assert result.report.exists()


def test_all_arms_are_measured_on_the_same_bars(finished):
    result, _ = finished
    times = [list(arm.equity.index) for arm in result.record.arms]
    assert all(other == times[0] for other in times)
    assert len(times[0]) == 420 - 269


def test_equal_states_are_asked_once(finished):
    result, model = finished
    usage = result.record.manifest["usage"]
    prompts = {decision["prompt"] for decision in result.record.arm("llm").decisions}
    assert usage["decisions"] == usage["questions"] == 151
    assert usage["distinct"] == usage["asked"] == len(prompts)
    questions = [request for request in model.requests if asks_advice(request)]
    assert len(questions) == len(prompts)


def test_the_request_knows_nothing_of_the_account_or_the_calendar(finished):
    _, model = finished
    for request in model.requests:
        if asks_advice(request):
            last = request.messages[-1].content.lower()
            assert not any(character.isdigit() for character in last)
            for secret in ("cash", "position", "profit", "cycles", "equity", "date"):
                assert secret not in last


def test_a_replay_is_byte_for_byte_without_a_model(finished):
    result, _ = finished
    checks = simulator.replay(result.folder)
    assert len(checks) > 30
    assert [check.name for check in checks if not check.same] == []


def test_a_replay_can_be_kept_and_replayed(finished, tmp_path):
    result, _ = finished
    simulator.replay(result.folder, tmp_path / "again")
    assert all(check.same for check in simulator.replay(tmp_path / "again"))
    with pytest.raises(RunFolderError, match="exists already"):
        simulator.replay(result.folder, tmp_path / "again")


def test_the_same_experiment_gives_the_same_bytes(finished, tmp_path):
    result, _ = finished
    again = simulator.compare(small(tmp_path, arms=USUAL_ARMS), client=recording()[0])
    assert again.folder.name == result.folder.name
    first, second = files(result.folder), files(again.folder)
    assert first.keys() == second.keys()
    evidence = [name for name in first if name.endswith((".csv", "decisions.jsonl"))]
    assert [name for name in evidence if first[name] != second[name]] == []


def test_wall_clock_and_paths_stand_in_manifests_and_the_audit_log_alone(finished):
    result, _ = finished
    started = json.loads((result.folder / "manifest.json").read_text())["started"][:13]
    for name, content in files(result.folder).items():
        if not name.endswith(("manifest.json", "audit.jsonl")):
            assert started.encode() not in content, name
            assert str(result.folder.parent).encode() not in content, name


def test_a_context_too_small_ends_a_run_at_its_first_question(tmp_path):
    client, model = recording(lambda request: PromptTooLong("The prompt needs more than 128 tokens: shorten it."))
    with pytest.raises(PromptTooLong, match="more than 128 tokens"):
        simulator.compare(small(tmp_path), client=client)
    assert len(model.requests) == 1


def test_a_single_question_that_is_too_long_is_an_abstention(tmp_path):
    asked = []

    def script(request):
        asked.append(request)
        return PromptTooLong("Too long.") if len(asked) == 2 else reader(request)

    experiment = small(tmp_path, advisor={"max_failure_rate": 1.0})
    decisions = simulator.run(experiment, client=recording(script)[0]).record.arms[0].decisions
    assert {line["abstention"]["reason"] for line in decisions if line["abstention"]} == {"context_overflow"}


def test_a_changed_journal_is_noticed(finished, tmp_path):
    result, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(result.folder, copy)
    journal = copy / "llm" / "decisions.jsonl"
    lines = journal.read_text().splitlines()
    line = json.loads(lines[40])
    line["request"] = "0" * 64
    lines[40] = json.dumps(line)
    journal.write_text("\n".join(lines) + "\n")
    with pytest.raises(RunFolderError, match=r"llm/decisions\.jsonl in .* was changed after the run"):
        simulator.replay(copy)
    with pytest.raises(AnswerNotRecorded, match="Question 41"):
        simulator.replay(seal(copy))
    journal.write_text("\n".join(lines[:40]) + "\n")
    with pytest.raises(AnswerNotRecorded, match="one more was asked"):
        simulator.replay(seal(copy))


def test_changed_prices_are_noticed(finished, tmp_path):
    result, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(result.folder, copy)
    prices = copy / "prices.csv"
    rows = prices.read_text().splitlines()
    cells = rows[300].split(",")
    cells[5] = str(float(cells[5]) + 1)
    rows[300] = ",".join(cells)
    prices.write_text("\n".join(rows) + "\n")
    with pytest.raises(RunFolderError, match=r"prices\.csv in .* was changed after the run"):
        simulator.replay(copy)
    with pytest.raises(RunFolderError, match=r"prices\.csv was changed after the run"):  # by the hash of what it holds
        simulator.replay(seal(copy))


def test_a_changed_evidence_file_differs(finished, tmp_path):
    result, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(result.folder, copy)
    with (copy / "momentum" / "orders.csv").open("a") as file:
        file.write("\n")
    differing = [check.name for check in simulator.replay(seal(copy)) if not check.same]
    assert differing == ["momentum/orders.csv", "report.html"]  # the page lists the hashes


def test_the_report_is_rebuilt_from_the_folder_alone(finished, tmp_path):
    result, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(result.folder, copy)
    for name in ("report.html", "report.md", "facts.json"):
        (copy / name).unlink()
    simulator.rebuild_report(copy)
    for name in ("report.html", "report.md", "facts.json"):
        assert (copy / name).read_bytes() == (result.folder / name).read_bytes()
    assert simulator.rebuild_report(copy / "llm").exists()


def test_one_arm_is_a_run_folder_of_its_own(tmp_path):
    result = simulator.run(small(tmp_path), client=recording()[0])
    assert (result.folder / "decisions.jsonl").exists()
    assert all(check.same for check in simulator.replay(result.folder))
    rule = simulator.run(small(tmp_path), "momentum")
    assert rule.record.arms[0].manifest["model"] is None
    assert all(check.same for check in simulator.replay(rule.folder))


def test_the_random_arm_alone_and_unknown_arms_are_refused(tmp_path):
    with pytest.raises(ConfigurationError, match="holding times"):
        simulator.run(small(tmp_path), "random")
    with pytest.raises(ConfigurationError, match="did you mean 'momentum'"):
        simulator.run(small(tmp_path), "momentun")


def test_failures_are_told_by_kind_and_replay_as_they_were(tmp_path):
    calls = iter(range(10_000))

    def unsteady(request):
        if not request.form:
            return "Nothing."
        turn = next(calls)
        if turn % 11 == 3:
            return AnswerTimeout("No answer in time.")
        if turn % 11 == 5:
            return BackendFailure("The engine failed.")
        if turn % 11 == 7:
            return reader(request) | {"label": "bullish"}
        if turn % 11 == 9:
            return reader(request) | {"rationale": "The price will reach 5,000."}
        return reader(request)

    experiment = small(tmp_path, arms=["llm", "buy_and_hold"], advisor={"max_failure_rate": 1.0})
    result = simulator.compare(experiment, client=recording(unsteady)[0])
    decisions = result.record.arm("llm").decisions
    reasons = {decision["abstention"]["reason"] for decision in decisions if decision["abstention"]}
    assert {"timeout", "backend_failure", "denied"} <= reasons
    assert any(decision["status"] == "repaired" for decision in decisions)
    assert all(decision["advice"] is None for decision in decisions if decision["status"] == "abstained")
    assert all(check.same for check in simulator.replay(result.folder))


def test_a_run_above_the_failure_rate_fails_loudly_and_is_kept(tmp_path):
    experiment = small(tmp_path, arms=["llm", "buy_and_hold"])
    client, _ = recording(lambda request: AnswerTimeout("No answer in time."))
    with pytest.raises(TooManyFailures, match="151 of 151 decisions failed") as caught:
        simulator.compare(experiment, client=client)
    (folder,) = [path for path in (tmp_path / "reports").iterdir() if path.is_dir()]
    assert str(folder) in str(caught.value)
    assert json.loads((folder / "manifest.json").read_text())["status"] == "failed"
    assert "failed" in (folder / "report.md").read_text()[:1500]
    assert all(check.same for check in simulator.replay(folder))


def test_a_failed_run_does_not_replace_a_complete_one(tmp_path):
    store = MemoryStore()
    experiment = small(tmp_path, arms=["llm", "buy_and_hold"], advisor={"answers": "refresh"})
    whole = simulator.compare(experiment, client=recording(reader, store, "refresh")[0])
    failing, _ = recording(lambda request: AnswerTimeout("No answer in time."), store, "refresh")
    with pytest.raises(TooManyFailures, match=r"\.failed"):
        simulator.compare(experiment, client=failing)
    assert json.loads((whole.folder / "manifest.json").read_text())["status"] == "complete"
    assert whole.folder.with_name(whole.folder.name + ".failed").is_dir()


def test_equal_limits_give_equal_runs_whatever_the_kind_of_number(tmp_path):
    folders = [
        simulator.run(small(tmp_path / str(number), risk={"lot_step": step}), "momentum").folder
        for number, step in enumerate((1, 1.0))
    ]
    assert folders[0].name == folders[1].name
    assert all(check.same for folder in folders for check in simulator.replay(folder))


def test_a_leftover_of_an_earlier_swap_is_no_obstacle(tmp_path):
    folder = simulator.run(small(tmp_path), "momentum").folder
    leftover = folder.with_name(folder.name + ".replaced")
    (leftover / "x").mkdir(parents=True)
    assert simulator.run(small(tmp_path), "momentum").folder == folder
    assert not leftover.exists()


def test_a_long_name_of_a_file_is_cut_to_what_the_contract_allows(tmp_path):
    path = tmp_path / f"{'a_very_long_name_of_a_share_' * 3}.csv"
    simulator.load_prices("synthetic:cycles?bars=300").write_csv(path)
    result = simulator.run(small(tmp_path, data={"source": f"csv:{path}"}), client=recording()[0])
    assert all(decision["status"] == "advised" for decision in result.record.arms[0].decisions)


def test_a_model_that_cannot_be_asked_at_all_ends_the_run(tmp_path):
    client, _ = recording(store=MemoryStore(), mode="live")
    replaying = RecordingClient(None, client.identity, MemoryStore(), "replay")
    with pytest.raises(AnswerNotRecorded):
        simulator.compare(small(tmp_path), client=replaying)


def test_a_folder_of_another_version_says_so(finished, tmp_path):
    result, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(result.folder, copy)
    manifest = json.loads((copy / "manifest.json").read_text())
    (copy / "manifest.json").write_text(json.dumps(manifest | {"format": "0.9.0"}))
    for use in (simulator.replay, simulator.rebuild_report):
        with pytest.raises(RunFolderError, match=r"run format 0\.9\.0, this is"):
            use(copy)
    with pytest.raises(RunFolderError, match="not a finished run folder"):
        simulator.replay(tmp_path)


def test_too_few_bars_are_told_before_anything_runs(tmp_path):
    experiment = small(tmp_path, data={"source": "synthetic:cycles?bars=100"})
    with pytest.raises(MarketDataError, match="at least 272"):
        execute(experiment, experiment.arms, recording()[0])
    assert not (tmp_path / "reports").exists()


def test_result_in_a_notebook(finished):
    result, _ = finished
    assert "<table" in result._repr_html_()
    assert result.verdict in result._repr_html_()
