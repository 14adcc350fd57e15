"""Several advisors and arms by name in an experiment's file: what they come to, and every wrong one in one sentence."""

from dataclasses import replace

import pytest

from llm_strategy.advice.rules import BuyAndHold, SmaCross
from llm_strategy.errors import ConfigurationError
from simulator import Experiment
from simulator.experiment.advisor import AdvisorConfig
from simulator.experiment.runtime import runtime_settings

SEVERAL = """
advisors:
  small: {}
  large: {backend: openai, model: some-model, base_url: "http://127.0.0.1:8080/v1", mode: json, max_failure_rate: 0.5}
  terse: {like: large, style: numbers, decimals: 1}
arms:
  llm: {advisor: small}
  large:
  unmasked: {advisor: terse, unmasked: [symbol, date], fallback: slow}
  slow: {rule: momentum, bars: 60}
  buy_and_hold:
  random:
"""


def plan(text):
    return {arm.name: arm for arm in Experiment.from_text(text).plan}


def test_each_arm_has_the_settings_of_its_advisor_and_its_own():
    arms = plan(SEVERAL)
    assert [arm.kind for arm in arms.values()] == ["advisor", "advisor", "advisor", "rule", "rule", "random", "ungated"]
    assert arms["llm"].config == AdvisorConfig()
    terse = arms["unmasked"].config
    assert (terse.mode, terse.max_failure_rate, terse.model) == ("json", 0.5, "some-model"), "like takes over the rest"
    assert (terse.style, terse.decimals, terse.unmasked, terse.fallback) == ("numbers", 1, ("symbol", "date"), "slow")
    assert arms["large"].config.unmasked == ()


def test_the_whole_document_means_the_same_and_says_who_is_primary():
    experiment = Experiment.from_text(SEVERAL)
    again = Experiment.from_mapping(experiment.as_dict())
    assert again == experiment
    assert again.plan == experiment.plan
    assert list(again.arms) == ["llm", "large", "unmasked", "slow", "buy_and_hold", "random"]
    assert experiment.primary.name == "llm"
    assert replace(experiment, name="other").plan == experiment.plan
    assert experiment.rule("slow").bars_needed == 61


def test_an_advisor_is_an_arm_by_its_name_in_a_list():
    arms = plan("advisors: {small: {}, large: {style: numbers}}\narms: [small, large, regime_rule]")
    assert [(arm.name, arm.advisor) for arm in arms.values()] == [
        ("small", "small"),
        ("large", "large"),
        ("regime_rule", ""),
        ("market", ""),
    ]


def test_the_only_advisor_is_called_llm():
    arms = plan("advisor: {style: numbers}\narms: {shown: {advisor: llm, unmasked: [date]}, llm: }")
    assert arms["llm"].config.style == arms["shown"].config.style == "numbers"


def test_an_old_document_is_written_as_before():
    document = Experiment.from_text("advisor: {style: numbers}\narms: [llm, buy_and_hold]").as_dict()
    assert document["arms"] == ["llm", "buy_and_hold"]
    assert not {"advisors", "plan"} & document.keys()
    assert not {"backend", "model", "base_url", "options"} & document["advisor"].keys()


def test_the_warm_up_is_the_most_that_any_arm_needs():
    text = "advisors: {a: {}, b: {lookbacks: {trend: 400}}}\narms: {a: , b: , slow: {rule: sma_cross, slow: 300}}"
    assert Experiment.from_text(text).warm_up.bars == 400
    assert Experiment.from_text(text.replace("slow: 300", "slow: 500")).warm_up.bars == 500


def test_rules_may_be_given_as_classes_and_objects():
    experiment = Experiment(arms={"llm": None, "hold": BuyAndHold, "fast": SmaCross(5, 20), "buy_and_hold": None})
    assert experiment.rule("fast").bars_needed == 20
    assert experiment.rule("hold").rationale == "Always holds."
    assert experiment.baselines["fast"]["rule"].startswith("defined_in_program:fast_")
    assert experiment.baselines["hold"]["rule"] == "buy_and_hold"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("advisor: {style: numbers}\nadvisors: {a: {}}\narms: [a]", "advisor and advisors are given"),
        ("advisors: {a: {}, a: {}}\narms: [a]", "'a' stands twice"),
        ("advisors: {a: {like: b}}\narms: [a]", "advisors.a.like is 'b', and there is no such advisor"),
        ("advisors: {a: {like: b}, b: {like: c}, c: {like: a}}\narms: [a, b, c]", "a is like b is like c is like a"),
        ("advisors: {a: {like: a}}\narms: [a]", "a is like a"),
        ("advisors: {a: {}, b: {}}\narms: [a]", "No arm has the advisor 'b': add b to arms"),
        ("advisors: {a: {mdoe: json}}\narms: [a]", "advisors.a.mdoe is an unknown key, did you mean 'mode'"),
        ("advisors: {a: {mode: jsn}}\narms: [a]", "did you mean 'json'"),
        ("advisors: {a: {decimals: 2}}\narms: [a]", "advisors.a"),
        ("advisors: {a: {decide_every: 0}}\narms: [a]", "advisors.a.decide_every"),
        ("advisors: {a: {fallback: momentm}}\narms: [a]", "did you mean 'momentum'"),
        ("advisors: {A-b: {}}\narms: {x: {advisor: A-b}}", "cannot be the name of an advisor"),
        ("advisors: {random: {}}\narms: [random]", "'random' is a name of the program's own"),
        ("advisors: {a: {}}\narms: [a, llm]", '"llm", it must be one of a, buy_and_hold'),
        ("advisors: {a: {}}", "list yours under arms, such as arms: [a, regime_rule]"),
        ("advisors: [a, b]\narms: [a]", "advisors is ['a', 'b']: write each under its name"),
        ("arms: {llm: , r: {rule: 3}}", "arms.r.rule is 3: write the name of a rule"),
        ("arms: {llm: , r: {rule: [a]}}", "arms.r.rule is ['a']: write the name of a rule"),
        ("arms: {llm: , r: {rule: momntum}}", "arms.r.rule is 'momntum', did you mean 'momentum'"),
        ("arms: {llm: , r: {ungated: [a]}}", "arms.r.ungated is ['a']; known are buy_and_hold"),
        ("arms: {x: {advisor: [llm]}}", "arms.x.advisor is ['llm'], did you mean 'llm'"),
        ("arms: {x: {advisor: llm, fallback: slw}}", "arms.x.fallback is 'slw', and no such rule is there"),
        ("advisors: {a: {prompt: {user: hello}}}\narms: [a]", "advisors.a: advisor.prompt never shows"),
        ("arms: {}", "arms"),
        ("arms: {llm: {advisor: lmm}}", "arms.llm.advisor is 'lmm'"),
        ("advisors: {small: {}}\narms: {x: {advisor: smal}}", "arms.x.advisor is 'smal', did you mean 'small'"),
        ("arms: {x: {advisor: llm, unmaskd: [date]}}", "arms.x.unmaskd is an unknown key, did you mean 'unmasked'"),
        ("arms: {x: {unmasked: [date]}}", "arms.x does not say who decides: write one of advisor, rule"),
        ("arms: {x: }", "There is no arm 'x'"),
        ("arms: {x: {advisor: llm, rule: momentum}}", "arms.x says advisor and rule: keep one of them"),
        ("arms: {x: {rule: momentum, bras: 3}}", "no setting 'bras', did you mean 'bars'"),
        ("arms: {momentum: {advisor: llm}}", "that is the name of another"),
        ("arms: {momentum: {bars: 3}}\nbaselines: {momentum: {bars: 4}}", "under arms and under baselines: keep one"),
        ("arms: {run: {advisor: llm}}", "'run' is a name of the program's own"),
        ("arms: {Big: {advisor: llm}}", "cannot be the name of an arm"),
        ("arms: {random: , buy_and_hold: }", "random but not llm"),
        ("advisors: {a: {}}\narms: {x: {advisor: a, null: shufled_labels}}", "did you mean 'shuffled_labels'"),
        ("arms: {llm: , x: {advisor: llm, null: best_member}}", "arms.x.null: best_member is the null of an ensemble"),
        ("arms: {x: {advisor: llm, null: shuffled_labels}}", "arms.x is the null of an arm that is not there: add one"),
        ("arms: {x: {strategy: 3}}", "arms.x.strategy is 3: write package.module:NAME"),
        ("arms: {x: {strategy: 'a:B', parms: {}}}", "arms.x.parms is an unknown key, did you mean 'params'"),
        ("arms: {x: {strategy: 'a:B', params: 3}}", "arms.x.params is 3"),
        ("arms: {x: {ungated: buy_and_hod}}", "arms.x.ungated is 'buy_and_hod', did you mean 'buy_and_hold'"),
        ("arms: {x: 3}", "arms.x"),
        ("arms: {x: {rule: momentum}, x: {rule: momentum}}", "stands twice"),
    ],
)
def test_a_wrong_advisor_or_arm_is_one_sentence(text, words):
    with pytest.raises(ConfigurationError) as caught:
        Experiment.from_text(text)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def settings(tmp_path, monkeypatch, text, **advisor):
    """The runtime of an advisor beside this ``configs/llm.yaml``."""
    for name in ("LLM_BACKEND", "LLM_MODEL", "LLM_BASE_URL", "LLM_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "configs").mkdir(exist_ok=True)
    (tmp_path / "configs" / "llm.yaml").write_text(text)
    whole = runtime_settings(AdvisorConfig(**advisor), tmp_path, "advisors.a")
    return whole.for_backend(whole.backend)


GROQ = """
backend: groq
model: their-model
api_key: planted-4711-key
price_in: 2
fallback: [local_llama]
temperature: 0.3
"""


def test_an_advisor_without_a_runtime_has_that_of_the_file(tmp_path, monkeypatch):
    own = settings(tmp_path, monkeypatch, GROQ)
    assert (own.backend, own.model, own.temperature) == ("groq", "their-model", 0.3)


def test_a_backend_of_its_own_takes_nothing_that_belongs_to_another(tmp_path, monkeypatch):
    own = settings(tmp_path, monkeypatch, GROQ, backend="llama_cpp")
    assert (own.backend, own.model, own.price_in, own.fallback) == ("llama_cpp", "smollm2-135m", None, ())
    assert own.temperature == 0.3, "what holds for every backend holds"


def test_a_backend_of_its_own_has_the_model_of_its_section(tmp_path, monkeypatch):
    text = GROQ + "openai: {model: section-model, base_url: 'http://127.0.0.1:9/v1', temperature: 0.9}\n"
    own = settings(tmp_path, monkeypatch, text, backend="openai", options={"seed": 4})
    assert (own.model, own.base_url, own.api_key) == ("section-model", ("http://127.0.0.1:9/v1",), None)
    assert (own.temperature, own.seed) == (0.9, 4)


def test_what_the_advisor_sets_goes_before_the_section_of_its_backend(tmp_path, monkeypatch):
    text = "backend: openai\nopenai: {model: section-model, temperature: 0.9}\n"
    own = settings(tmp_path, monkeypatch, text, model="mine", options={"temperature": 0.1})
    assert (own.backend, own.model, own.temperature) == ("openai", "mine", 0.1)


def test_backends_that_read_the_same_files_share_the_model(tmp_path, monkeypatch):
    own = settings(tmp_path, monkeypatch, "backend: local_llama\nmodel: gemma.gguf\n", backend="llama_cpp")
    assert (own.backend, own.model) == ("llama_cpp", "gemma.gguf")


@pytest.mark.parametrize(
    ("advisor", "words"),
    [
        ({"backend": "openai"}, "advisors.a.backend is openai, and no model of it is named: write advisors.a.model"),
        ({"backend": "llama_cpp", "base_url": "http://127.0.0.1:1/v1"}, "backend llama_cpp has no address"),
        ({"options": {"api_key": "x"}}, "advisors.a.options.api_key is no option: a key would be written"),
        ({"options": {"model": "x"}}, "advisors.a.options.model is no option: write it beside options"),
        ({"options": {"temperature": "hot"}, "backend": "llama_cpp"}, "advisors.a.options.temperature is 'hot': "),
        ({"options": {"sed": 1}, "backend": "llama_cpp"}, "advisors.a.options has no option sed, did you mean 'seed'?"),
        ({"options": {"slots": 0}, "backend": "llama_cpp"}, "advisors.a.options.slots is 0: "),
        ({"options": {"concurency": 2}, "model": "m"}, "no option concurency, did you mean 'concurrency'?"),
    ],
)
def test_a_runtime_that_cannot_be_is_one_sentence(tmp_path, monkeypatch, advisor, words):
    with pytest.raises(ConfigurationError) as caught:
        settings(tmp_path, monkeypatch, GROQ, **advisor)
    assert words in str(caught.value)


ENSEMBLE = """
advisors:
  all: {backend: ensemble, options: {seed: 3, members: [{backend: openai, model: one, seed: 4}, llama_cpp]}}
arms:
  all:
  first: {advisor: all, null: best_member}
"""


def test_a_null_is_the_advisor_without_one_thing_and_knows_whose_it_is():
    null = plan(ENSEMBLE)["first"]
    assert (null.null, null.null_of, null.advisor) == ("best_member", "all", "all")
    assert (null.config.backend, null.config.model, null.config.options) == ("openai", "one", {"seed": 4})
    shuffled = plan("advisor: {examples: {nearest: 2}}\narms: {llm: , dealt: {advisor: llm, null: shuffled_labels}}")
    assert (shuffled["llm"].config.labels, shuffled["dealt"].config.labels) == ("rule", "shuffled")
    again = Experiment.from_mapping(Experiment.from_text(ENSEMBLE).as_dict())
    assert again.plan == Experiment.from_text(ENSEMBLE).plan


def test_every_source_of_context_has_the_null_of_its_silence():
    for source in ("history", "analogues", "{documents: {path: missing.jsonl}}", "{events: {path: 'sample:vix'}}"):
        word = f"no_{source.strip('{').partition(':')[0]}"
        arms = f"arms: {{llm: , without: {{advisor: llm, null: {word}}}}}"
        null = plan(f"advisor: {{context: [features, {source}]}}\n{arms}")["without"]
        assert null.config.context[1][word.removeprefix("no_")]["null"] == "none"


def test_decisions_on_a_change_of_the_line_go_with_what_never_changes():
    assert plan("advisor: {decide_when: changed, context: [legend, features]}")


@pytest.mark.parametrize("context", ["[features, history]", "[history]", "{documents: {path: x.jsonl}}"])
def test_decisions_on_a_change_of_the_line_alone_are_refused_where_more_is_shown(context):
    with pytest.raises(ConfigurationError) as caught:
        plan(f"advisor: {{decide_when: changed, context: {context}}}")
    told = str(caught.value)
    assert "advisor.decide_when is changed, which looks at the market's line alone and would pass over" in told
    assert told.count(".") - told.count("advisor.") == 1
    assert "set it to always, or leave" in told


def test_an_arm_may_go_back_to_what_is_usual():
    text = """
advisors: {wide: {context: [features, history], options: {seed: 3}}}
arms: {wide: , narrow: {advisor: wide, context: [features], options: {}}}
"""
    experiment = Experiment.from_text(text)
    narrow = Experiment.from_mapping(experiment.as_dict()).plan[1].config
    assert narrow == experiment.plan[1].config
    assert (narrow.context, narrow.options) == (("features",), {})


def test_an_arm_with_another_backend_leaves_the_model_of_its_advisor_behind():
    advisors = "advisors: {a: {backend: openai, model: x, options: {seed: 3, concurrency: 2}}}"
    config = plan(f"{advisors}\narms: {{a: , b: {{advisor: a, backend: llama_cpp}}}}")["b"].config
    assert (config.backend, config.model, config.options) == ("llama_cpp", None, {"seed": 3})
