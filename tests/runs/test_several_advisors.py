"""Several advisors in one comparison: each with its model, record, budget and name, every question asked once, and
all of it replayed byte for byte."""

import json

import pytest
from misbehaving_server import GOOD_ADVICE, answer, by_turns, nobody_listens, serving
from small_run import SMALL, reader
from typer.testing import CliRunner

import simulator
from llm_strategy.advice.rules import BuyAndHold, SmaCross
from llm_strategy.errors import BudgetReached, ConfigurationError, ModelError, RunFolderError
from llm_strategy.llm.backends.scripted import ScriptedClient
from simulator.cli.main import app
from simulator.runs.advise import advise_at
from simulator.runs.trace import trace

pytestmark = pytest.mark.slow

THREE = {
    "small": {},
    "twin": {"like": "small"},
    "numbers": {"like": "small", "style": "numbers", "max_failure_rate": 1.0},
}
ARMS = {
    "small": None,
    "twin": None,
    "numbers": None,
    "shown": {"advisor": "small", "unmasked": ["symbol"]},
    "slow": {"rule": "momentum", "bars": 100},
    "market": {"ungated": "buy_and_hold"},
}


def experiment(tmp_path, advisors=THREE, arms=ARMS, **sections):
    output = {"output": {"folder": str(tmp_path / "reports"), "explain": False}}
    return (
        SMALL
        | {"data": {"source": "synthetic:cycles?bars=320&seed=5"}}
        | output
        | {
            "advisors": advisors,
            "arms": arms,
        }
        | sections
    )


def manifest(folder):
    return json.loads((folder / "manifest.json").read_text())


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    plans = []
    model = ScriptedClient(reader)
    document = experiment(tmp_path_factory.mktemp("several"))
    return simulator.compare(document, client=model, on_estimate=plans.append), model, plans


def test_two_advisors_that_ask_the_same_of_the_same_model_ask_it_once(finished):
    result, model, _ = finished
    asked = {arm: manifest(result.folder / arm)["usage"]["asked"] for arm in ARMS}
    assert asked["twin"] == 0
    assert asked["small"] > 0
    assert asked["numbers"] > 0
    assert sum(asked.values()) == len(model.requests) == len({str(request) for request in model.requests})


def test_the_seconds_of_each_arm_are_its_own(finished):
    seconds = {arm: manifest(finished[0].folder / arm)["usage"]["seconds"] for arm in ARMS}
    assert min(seconds.values()) >= 0
    assert seconds["twin"] == 0
    assert seconds["numbers"] > 0
    assert manifest(finished[0].folder)["usage"]["seconds"] == pytest.approx(sum(seconds.values()), abs=0.01)


def test_the_manifests_say_whose_model_decided(finished):
    result = finished[0]
    whole = manifest(result.folder)
    assert whole["format"] == "2.5.0"
    assert list(whole["advisors"]) == ["small", "twin", "numbers"]
    assert whole["advisors"]["small"]["usage"]["decisions"] == 2 * whole["advisors"]["twin"]["usage"]["decisions"]
    assert whole["advisors"]["small"]["model"] == whole["model"]
    shown = manifest(result.folder / "shown")
    assert (shown["advisor"], shown["settings"]["unmasked"]) == ("small", ["symbol"])
    assert manifest(result.folder / "slow").get("advisor") is None


def test_the_audit_log_names_the_advisor(finished):
    lines = [json.loads(line) for line in (finished[0].folder / "audit.jsonl").read_text().splitlines()]
    assert {line["advisor"] for line in lines} == {"small", "twin", "numbers"}
    assert not [line for line in lines if line["advisor"] == "twin" and not line["cached"]]


def test_the_estimate_has_a_line_for_each_and_counts_what_they_share_once(finished):
    _, model, plans = finished
    plan = plans[0]
    assert list(plan.parts) == ["small", "twin", "numbers"]
    assert plan.distinct == plan.to_ask == len(model.requests)
    assert plan.of("twin").to_ask == 0
    assert plan.of("twin").shared == plan.of("twin").distinct > 0
    lines = str(plan).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["small", "twin", "numbers", "In all"]


def test_every_arm_replays_byte_for_byte(finished):
    checks = simulator.replay(finished[0].folder)
    assert {check.name.partition("/")[0] for check in checks} >= set(ARMS)
    assert [check.name for check in checks if not check.same] == []


def test_a_trace_is_of_the_first_advisor_where_no_arm_is_named(finished):
    result = finished[0]
    assert [arm.about.advisor_name for arm in result.record.arms][:4] == ["small", "twin", "numbers", "small"]
    assert trace(result.folder).arm == "small"
    assert trace(result.folder, arm="numbers").arm == "numbers"


def test_one_arm_may_be_run_alone_and_the_first_is_meant_without_a_name(tmp_path):
    document = experiment(tmp_path)
    result = simulator.run(document, client=ScriptedClient(reader))
    assert result.record.arms[0].name == "small"
    result = simulator.run(document, "numbers", client=ScriptedClient(reader))
    assert result.record.arms[0].about.advisor == "numbers"
    assert all(check.same for check in simulator.replay(result.folder))
    with pytest.raises(ConfigurationError, match="There is no arm 'nmbers', did you mean 'numbers'"):
        simulator.run(document, "nmbers", client=ScriptedClient(reader))


def test_advice_is_that_of_the_advisor_that_is_named(tmp_path):
    wanted = simulator.Experiment.from_mapping(experiment(tmp_path))
    first = advise_at(wanted, client=ScriptedClient(reader))
    other = advise_at(wanted, client=ScriptedClient(reader), advisor="numbers")
    assert first.messages[-1] != other.messages[-1]
    assert "%" in other.messages[-1][1]
    with pytest.raises(ConfigurationError, match="has no advisor 'smal', did you mean 'small'"):
        advise_at(wanted, client=ScriptedClient(reader), advisor="smal")


def test_each_advisor_has_a_budget_of_its_own_and_the_error_names_it(tmp_path):
    advisors = {"small": {}, "numbers": {"style": "numbers", "budget": {"max_calls": 3}}}
    document = experiment(tmp_path, advisors, {"small": None, "numbers": None})
    model = ScriptedClient(reader)
    with pytest.raises(BudgetReached, match=r"^Advisor numbers: "):
        simulator.compare(document, client=model)
    assert len(model.requests) > 6, "the budget of the one is not that of the other"


def test_objects_are_advisors_and_arms_too(tmp_path):
    document = SMALL | {
        "data": {"source": "synthetic:cycles?bars=320&seed=5"},
        "output": {"folder": str(tmp_path), "explain": False},
    }
    other = ScriptedClient(reader)
    result = simulator.compare(
        document,
        advisors={"mine": ScriptedClient(reader), "other": other},
        arms={"mine": None, "other": None, "fast": SmaCross(5, 20), "held": BuyAndHold, "random": None},
    )
    assert [arm.name for arm in result.record.arms] == ["mine", "other", "fast", "held", "market"]
    assert len(other.requests) > 0, "a record of its own"
    assert all(check.same for check in simulator.replay(result.folder)), "in this process the object is there"
    text = (result.folder / "manifest.json").read_text()
    reference = manifest(result.folder)["experiment"]["baselines"]["fast"]["rule"]
    assert reference.startswith("defined_in_program:fast_")
    (result.folder / "manifest.json").write_text(text.replace(reference, "defined_in_program:gone_1"))
    with pytest.raises(RunFolderError):
        simulator.replay(result.folder)


def quiet(snapshot):
    return f"{'quiet' if snapshot.volatility_rank < 0.5 else 'loud'} market"


def always(snapshot):
    return "enter_long"


def test_functions_and_classes_stand_within_settings_too(tmp_path):
    document = SMALL | {
        "data": {"source": "synthetic:cycles?bars=290&seed=5"},
        "output": {"folder": str(tmp_path), "explain": False},
    }
    model = ScriptedClient(reader)
    result = simulator.compare(
        document,
        client=model,
        advisors={"mine": {"context": ["features", quiet]}},
        arms={"mine": None, "held": {"rule": always}},
    )
    assert model.requests
    assert all(" market" in request.messages[-1].content for request in model.requests)
    assert set(result.decisions.loc["held"]["action"]) == {"enter_long"}
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"experiment": 3}, r"^experiment is 3: give an Experiment"),
        ({"experiment": None}, r"^experiment is None: give an Experiment"),
        ({"arms": 3}, r"^arms is 3: give a list of names"),
        ({"client": "gpt"}, r"^client is 'gpt': give one of get_llm_client"),
        ({"client": {"small": 5}}, r"^client is 5: give one of get_llm_client"),
        ({"client": {"smal": ScriptedClient([])}}, r"^client names the advisor 'smal', did you mean 'small'\?"),
    ],
    ids=["experiment 3", "no experiment", "arms 3", "client text", "client 5", "unknown advisor"],
)
def test_what_is_no_part_of_a_comparison_is_one_sentence(tmp_path, given, told):
    advisors = {"small": {"style": "words"}}
    parts = {"experiment": experiment(tmp_path, advisors, {"small": None})} | given
    with pytest.raises(ConfigurationError, match=told):
        simulator.compare(parts.pop("experiment"), **parts)


def test_arms_in_processes_have_the_same_bytes(finished, tmp_path):
    result = simulator.compare(experiment(tmp_path), client=ScriptedClient(reader), workers=2)
    for arm in ARMS:
        for name in ("decisions.jsonl", "orders.csv", "trades.csv", "equity.csv"):
            assert (result.folder / arm / name).read_bytes() == (finished[0].folder / arm / name).read_bytes()
    assert result.folder.name == finished[0].folder.name
    with pytest.raises(ConfigurationError, match="workers is 0: give a whole number"):
        simulator.compare(experiment(tmp_path), client=ScriptedClient(reader), workers=0)


def test_a_client_that_nobody_would_ask_is_refused(tmp_path):
    advisors = {"small": {"backend": "scripted", "options": {"script": "none.txt"}}}
    with pytest.raises(ConfigurationError, match="client is given, and each advisor names a backend"):
        simulator.compare(experiment(tmp_path, advisors, {"small": None}), client=ScriptedClient(reader))


@pytest.fixture
def at_home(tmp_path, monkeypatch):
    """A folder without settings, and a record of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(tmp_path / "cache"))
    for name in ("LLM_BACKEND", "LLM_MODEL", "LLM_BASE_URL", "LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.mark.server
def test_two_servers_answer_two_advisors_and_a_name_is_all_that_a_person_needs(at_home):
    exit_all = by_turns(lambda turn, body: answer())
    enter = GOOD_ADVICE.replace("bear", "bull").replace('"exit"', '"enter_long"')
    with serving(exit_all) as one, serving(by_turns(lambda turn, body: answer(enter))) as other:
        remote = {"backend": "openai", "model": "tiny-model", "mode": "json", "options": {"api_key_name": ""}}
        remote["options"] = {"answer_format": "json_schema", "reported_model": "tiny-model"}
        advisors = {
            "bear": remote | {"base_url": one.url},
            "bull": {"like": "bear", "base_url": other.url, "style": "numbers"},
        }
        document = experiment(at_home, advisors, {"bear": None, "bull": None})
        result = simulator.compare(document)
        assert one.questions
        assert other.questions
    labels = result.decisions["label"].groupby("arm").unique()
    assert (list(labels["bear"]), list(labels["bull"])) == (["bear"], ["bull"])
    assert all(check.same for check in simulator.replay(result.folder))
    table = CliRunner().invoke(app, ["trace", str(result.folder), "--arm", "bull"])
    assert "bull" in table.output


@pytest.mark.server
def test_an_advisor_whose_model_cannot_be_reached_is_named(at_home):
    with serving(by_turns(lambda turn, body: answer())) as one, nobody_listens() as nobody:
        remote = {"backend": "openai", "model": "tiny-model", "mode": "json", "base_url": one.url}
        advisors = {"here": remote, "gone": {"like": "here", "base_url": nobody, "options": {"attempts": 1}}}
        with pytest.raises(ModelError, match=r"^Advisor gone: "):
            simulator.compare(experiment(at_home, advisors, {"here": None, "gone": None}))


def test_the_doctor_looks_at_the_model_of_the_advisor_that_is_named(at_home):
    (at_home / "experiment.yaml").write_text(
        "advisors: {here: {backend: llama_cpp, model: none.gguf}, small: {}}\narms: [here, small]"
    )
    said = CliRunner().invoke(app, ["doctor", "--advisor", "here"])
    assert said.exit_code == 4
    assert "none.gguf" in said.output
    for words, told in (
        (["--advisor", "her"], "has no advisor 'her', did you mean 'here'"),
        (["--advisor", "here", "--backend", "openai"], "an advisor has its own backend, keep one of them"),
    ):
        said = CliRunner().invoke(app, ["doctor", *words])
        assert said.exit_code == 2
        assert told in " ".join(said.output.split())
