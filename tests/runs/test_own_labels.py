"""Labels of a person's own from the contract to the report: asked for, judged, traded, shown and replayed."""

import json
import re

import pytest
from own_cerebro import own_cerebro, run
from own_labels import DOCUMENT, OWN, json_reader, slots_reader
from page_parser import Page
from small_run import files, recording, small
from small_study import study

import simulator
from llm_strategy.advice.advisor import ModelAdvisor
from llm_strategy.advice.options import PromptOptions
from llm_strategy.errors import ConfigurationError, ContractError, RunFolderError
from llm_strategy.llm import MemoryStore, RecordingClient
from llm_strategy.llm.backends.local.llama_cpp import LlamaCppBackend
from llm_strategy.llm.backends.local.llama_cpp_load import EngineOptions
from llm_strategy.llm.backends.scripted import ScriptedClient
from llm_strategy.llm.client import LLMClient
from llm_strategy.types import AbstentionReason, ActionType, Snapshot, Status
from simulator.runs.report import rebuild_report
from simulator.runs.trace import trace

pytestmark = pytest.mark.slow

SNAPSHOT = Snapshot("SECRETCO", "1d", "2008-10-10T00:00:00", 899.22, -0.2, -0.1, 0.03, 0.2, -0.4, 0.1, 1.5)
ARMS = ["llm", "buy_and_hold", "regime_rule"]
READERS = {"json": json_reader, "slots": slots_reader}


def compared(folder, mode="json", script=None, arms=ARMS, **advisor):
    """A comparison with own labels, and the model that it asked."""
    client, model = recording(script or READERS[mode])
    wanted = small(folder, name="own", regimes=DOCUMENT, advisor={"mode": mode, **advisor}, arms=arms)
    return simulator.compare(wanted, client=client), model


@pytest.fixture(scope="module")
def in_json(tmp_path_factory):
    return compared(tmp_path_factory.mktemp("own"))


def decide(answer, mode="json", **options):
    client = ScriptedClient([answer] if isinstance(answer, dict) else answer)
    advisor = ModelAdvisor(client, options=PromptOptions(mode, regimes=OWN, **options))
    return advisor.decide(SNAPSHOT), client


def whole(label, action="hold", rationale="Calm."):
    return {"rationale": rationale, "regime": {"label": label}, "action": {"type": action, "confidence": 0.6}}


@pytest.mark.parametrize("mode", ["json", "slots"])
def test_the_request_names_the_labels_with_their_meanings_and_no_other(mode, tmp_path):
    _, model = compared(tmp_path, mode, arms=["llm"])
    request = model.requests[0]
    asked = "\n".join(message.content for message in request.messages)
    for name, kind in OWN.kinds.items():
        assert f"- {name}: {kind.meaning}\n" in asked
    assert not re.search(r"\b(bull|bear|sideways|turbulent)\b", asked)
    if mode == "json":
        assert json.loads(request.json_schema)["properties"]["regime"]["properties"]["label"]["enum"] == list(OWN)
    else:
        assert [part.choices for part in request.form if getattr(part, "name", "") == "label"] == [tuple(OWN)]


def test_own_labels_are_on_the_page_in_the_journal_and_in_every_table(in_json):
    result, _ = in_json
    arm, rule = result.record.arm("llm"), result.record.arm("regime_rule")
    assert {entry.decision.advice.regime.label for entry in arm.entries} <= set(OWN)
    assert {entry.decision.advice.regime.label for entry in rule.entries} <= {"bull", "bear", "sideways", "turbulent"}
    assert set(result.decisions.loc["llm"]["label"]) <= set(OWN)
    shares = {name: result.facts[f"llm.regime.{name}.share"].value for name in OWN}
    assert sum(shares.values()) == pytest.approx(1)
    assert "llm.regime.bull.share" not in result.facts
    assert "regime_rule.regime.bull.share" in result.facts
    assert "regime_rule.regime.mixed.share" not in result.facts

    html, markdown = result.report.read_text(), (result.folder / "report.md").read_text()
    page = Page(html)
    assert not page.problems
    for text in (" ".join(page.said.split()), markdown):
        assert "These labels are the experiment's own, and the causal rule has others (bull, bear," in text
    assert "flee to &lt;safety&gt; &amp; gold" in html
    assert "flee to &lt;safety&gt; &amp; gold" in markdown
    assert "| risk_on | investors buy what is risky | enter_long, hold | #2a7 |" in markdown
    assert "background: #2a7;" in html
    assert ' style="' not in html, "the page's own style sheet alone decides"
    figure = html[html.index('<figure id="price"') :]
    assert "Shades: risk_on, risk_off, mixed." in figure
    assert "var(--bull)" not in figure.partition("</figure>")[0]
    advised = ((entry.decision.snapshot.time, entry.decision.advice) for entry in arm.entries)
    time = next(at for at, said in advised if (said.regime.label, said.action.type) == ("risk_off", "enter_long"))
    assert "Advice   risk_off, enter_long" in trace(result.folder, time, arm="llm").as_text()


def test_nothing_is_said_of_agreement_with_a_rule_of_other_labels(in_json):
    result, _ = in_json
    assert "llm-regime_rule.sharpe_difference" in result.facts
    assert not [name for name in result.facts if name.startswith("llm-regime_rule.label")]
    assert "kappa of the labels of llm and regime_rule" not in result.report.read_text()


def test_the_actions_that_agree_are_those_that_the_person_named(in_json):
    result, _ = in_json
    for entry in result.record.arm("llm").entries:
        advice, policy = entry.decision.advice, entry.decision.policy
        assert policy.coherent is (advice.action.type in OWN.kinds[advice.regime.label].actions)
    judged = {label: decide(whole(label, "enter_long"))[0].policy for label in OWN}
    assert judged["risk_off"].reasons == ("label and action: enter_long in a risk_off market",)
    assert judged["risk_on"].coherent
    assert judged["mixed"].coherent


def test_words_for_bull_and_bear_are_judged_for_the_usual_labels_alone():
    regimes = {"down": {"meaning": "prices have fallen", "actions": ["enter_long"]}, "up": "prices have risen"}
    options = PromptOptions("json", regimes=type(OWN).from_document(regimes))

    def policy(rationale, label="down", action="enter_long"):
        client = ScriptedClient([whole(label, action, rationale)])
        return ModelAdvisor(client, options=options).decide(SNAPSHOT).policy

    assert policy("The label is down.").coherent, "a label's own name says nothing of prices"
    assert policy("A falling market.").reasons == ("action and rationale: enter_long with a downward rationale",)
    assert policy("A falling market.", "up", "hold").coherent


@pytest.mark.parametrize("mode", ["json", "slots"])
def test_a_run_with_own_labels_replays_byte_for_byte(mode, tmp_path, in_json):
    result, _ = in_json if mode == "json" else compared(tmp_path, mode)
    checks = simulator.replay(result.folder)
    assert checks
    assert all(check.same for check in checks)
    before = files(result.folder)["report.html"]
    rebuild_report(result.folder)
    assert files(result.folder)["report.html"] == before
    manifest = json.loads((result.folder / "manifest.json").read_text())
    assert manifest["experiment"]["regimes"] == OWN.as_dict()


def test_a_label_that_is_none_of_them_breaks_the_contract():
    decision, client = decide([whole("bull"), whole("sunny")])
    assert decision.abstention.reason is AbstentionReason.INVALID
    told = 'regime.label: is "sunny", it must be one of risk_on, risk_off, mixed'
    assert decision.abstention.detail.replace("regime.label is", "regime.label: is") == told
    assert 'is "bull", it must be one of risk_on, risk_off, mixed' in client.requests[1].messages[-1].content
    repaired, _ = decide([whole("bull"), whole("mixed")])
    assert (repaired.status, repaired.advice.regime.label) == (Status.REPAIRED, "mixed")
    usual = ModelAdvisor(ScriptedClient([whole("mixed")] * 2), options=PromptOptions("json")).decide(SNAPSHOT)
    assert usual.abstention.reason is AbstentionReason.INVALID


def test_a_rule_in_the_place_of_the_model_has_no_label_of_the_experiment(tmp_path):
    def fails_below(request):
        return {} if any("below" in message.content for message in request.messages) else json_reader(request)

    result, _ = compared(tmp_path, script=fails_below, fallback="regime_rule", max_failure_rate=1.0)
    stood_in = [entry for entry in result.record.arm("llm").entries if entry.decision.instead_of is not None]
    assert stood_in
    assert result.facts["llm.unlabelled"].value == len(stood_in)
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize("examples", ["fixed", {"nearest": 2}, {"balanced": 4}])
def test_examples_that_the_rule_labelled_are_refused(tmp_path, examples):
    for labels in ["rule"] if examples == "fixed" else ["rule", "followed"]:
        client, model = recording(json_reader)
        wanted = small(tmp_path, regimes=DOCUMENT, advisor={"examples": examples, "labels": labels})
        with pytest.raises(
            ConfigurationError, match=r"examples have the labels of the causal rule, none of risk_on, ri"
        ):
            simulator.compare(wanted, client=client)
        assert model.requests == []


def test_an_embedded_model_is_shown_no_examples_either(model_path, threads):
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(2048, threads))) as client:
        for mode in ("json", "slots", "choices"):
            assert ModelAdvisor(client, options=PromptOptions(mode, regimes=OWN)).options.examples == "none"
            assert ModelAdvisor(client, options=PromptOptions(mode)).options.examples != "none"


@pytest.mark.parametrize("mode", ["choices", "slots"])
def test_a_real_model_chooses_among_own_labels(tmp_path, model_path, threads, mode):
    with LLMClient(LlamaCppBackend(model_path, EngineOptions(2048, threads))) as model:
        client = RecordingClient(model, model.identity, MemoryStore())
        wanted = small(
            tmp_path,
            data={"source": "synthetic:cycles?bars=275&seed=5"},
            regimes=DOCUMENT,
            advisor={"mode": mode, "decide_every": 9, "max_failure_rate": 1.0},
            arms=["llm", "regime_rule"],
            output={"folder": str(tmp_path), "explain": False},
        )
        result = simulator.compare(wanted, client=client)
    advised = [entry.decision for entry in result.record.arm("llm").entries if entry.decision.advice is not None]
    assert advised
    assert {decision.advice.regime.label for decision in advised} <= set(OWN)
    if mode == "choices":
        for decision in advised:
            scores = json.loads(decision.exchanges[0].answer)
            assert {choice.strip() for choice in scores} == set(OWN)
        prior = json.loads((result.folder / "llm" / "calibration.json").read_text())
        assert set(prior["labels"]) == set(OWN)
    assert all(check.same for check in simulator.replay(result.folder))


@pytest.mark.parametrize("layout", ["facts", "json", "page", "plain", "turns"])
def test_every_layout_without_words_tells_what_own_labels_mean(layout):
    client = ScriptedClient(
        lambda request: dict.fromkeys(request.choices, 1 / len(request.choices)), supports_choices=True
    )
    decision = ModelAdvisor(client, options=PromptOptions("choices", layout=layout, regimes=OWN)).decide(SNAPSHOT)
    assert decision.advice.regime.label == "risk_on", "the first of equals"
    for name, kind in OWN.kinds.items():
        assert client.requests[0].messages[0].content.count(f"- {name}: {kind.meaning}") == 1


@pytest.mark.parametrize("layout", ["rows", "sheet", "steps"])
def test_a_layout_with_words_for_the_usual_labels_is_refused(layout):
    client = ScriptedClient([], supports_choices=True)
    with pytest.raises(
        ConfigurationError, match=r"choose one of brief, facts, json, page, plain, turns, or a file of your own"
    ):
        ModelAdvisor(client, options=PromptOptions("choices", layout=layout, regimes=OWN))


def test_own_labels_work_in_an_own_cerebro_and_in_a_study_of_it(tmp_path):
    def advisor():
        return ModelAdvisor(ScriptedClient(slots_reader), options=PromptOptions(regimes=OWN))

    entries, orders, _, _ = run(own_cerebro(), advisor=advisor())
    labels = [entry.decision.advice.regime.label for entry in entries]
    assert {"risk_on", "risk_off"} <= set(labels) <= set(OWN)
    assert orders
    result = study(tmp_path, advisor=advisor()).run()
    assert result.record.manifest["experiment"]["regimes"] == OWN.as_dict()
    assert [entry.decision.advice.regime.label for entry in result.record.arm("llm").entries] == labels
    assert "llm.regime.risk_on.share" in result.facts


def test_a_folder_with_a_forged_label_or_colour_is_refused(in_json, tmp_path):
    result, _ = in_json
    about = json.loads((result.folder / "manifest.json").read_text())
    forged = about["experiment"]["regimes"] | {"mixed": {"meaning": "x", "colour": "red;}</style><b>"}}
    arm = result.record.arm("llm")
    for regimes, told in ((forged, "colour is"), ({"<b>": "x", "b": "y"}, "is no label"), ({"a": "x"}, "has 1 label")):
        changed = arm.manifest | {"experiment": arm.manifest["experiment"] | {"regimes": regimes}}
        made = type(arm)(arm.name, changed, arm.decisions, arm.orders, arm.trades, arm.equity)
        with pytest.raises(RunFolderError, match=told):
            _ = made.regimes


def test_a_contract_error_is_told_of_own_labels_leniently_too():
    from llm_strategy.advice.contract import parse_answer

    about = {"symbol": "A", "timeframe": "1d", "labels": OWN.names}
    text = json.dumps(whole("risk_on") | {"action": {"type": "hold", "confidence": "70%"}})
    assert parse_answer(text, repairs="lenient", **about).advice.action.confidence == pytest.approx(0.7)
    with pytest.raises(ContractError, match=r"set advisor\.repairs to lenient"):
        parse_answer(text, **about)
    assert parse_answer(json.dumps(whole("mixed")), **about).advice.action.type is ActionType.HOLD
