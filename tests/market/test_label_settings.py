"""Labels of a person's own: read from plain data, kept with the experiment, refused in one sentence."""

import pytest
from own_labels import DOCUMENT, OWN

from llm_strategy.errors import ConfigurationError
from llm_strategy.market.regimes import USUAL_REGIMES, RegimeKind, Regimes, as_label
from llm_strategy.types import ActionType, RegimeLabel
from simulator.experiment.configuration import Experiment
from simulator.folder.provenance import identity_from


def with_label(**more):
    return {"risk_on": "buy", "risk_off": {"meaning": "flee", **more}}


def test_a_meaning_alone_agrees_with_every_action():
    assert OWN.names == ("risk_on", "risk_off", "mixed")
    assert OWN.kinds["mixed"] == RegimeKind("no clear direction", tuple(ActionType), "")
    assert OWN.kinds["risk_on"].actions == (ActionType.ENTER_LONG, ActionType.HOLD)
    assert Regimes.from_document(OWN.as_dict()) == OWN


def test_the_usual_labels_are_the_default_and_leave_no_trace():
    experiment = Experiment()
    assert experiment.regimes is USUAL_REGIMES
    assert USUAL_REGIMES.names == tuple(RegimeLabel)
    assert "regimes" not in experiment.as_dict()
    assert "regimes" not in experiment.as_dict()["advisor"]
    assert Experiment.from_mapping({"regimes": None}) == experiment == Experiment(regimes=USUAL_REGIMES.as_dict())
    assert Experiment(regimes=USUAL_REGIMES.as_dict()).as_dict() == experiment.as_dict()


def test_own_labels_are_kept_with_the_experiment_and_reach_its_advisor():
    for made in (Experiment.from_mapping({"regimes": DOCUMENT}), Experiment(regimes=DOCUMENT), Experiment(regimes=OWN)):
        assert made.regimes == made.advisor.prompt_options.regimes == OWN
        assert made.as_dict()["regimes"] == OWN.as_dict()
        assert list(made.as_dict()["regimes"]) == list(DOCUMENT)
        assert Experiment.from_mapping(made.as_dict()) == made != Experiment()


def test_another_order_meaning_rule_or_colour_is_another_run():
    """The order is that of the choices in a prompt; a colour is on the page."""
    turned = dict(reversed(DOCUMENT.items()))
    said = DOCUMENT | {"mixed": "no direction"}
    ruled = DOCUMENT | {"mixed": {"meaning": "no clear direction", "actions": ["hold"]}}
    painted = DOCUMENT | {"mixed": {"meaning": "no clear direction", "colour": "#123456"}}
    about = {
        "prices": {"sha256": ""}, "model": None, "sampler": None, "prompts": "", "schemas": "",
        "versions": {"backtrader-llm": ""},
    }  # fmt: skip
    made = [Experiment(regimes=regimes).as_dict() for regimes in (DOCUMENT, turned, said, ruled, painted)]
    assert len({identity_from(about | {"experiment": one}, ["llm"]) for one in made}) == len(made)


def test_the_usual_four_in_other_colours_are_still_those_of_the_rule():
    painted = {name: kind.as_dict() | {"colour": "#123456"} for name, kind in reversed(USUAL_REGIMES.kinds.items())}
    regimes = Regimes.from_document(painted)
    assert regimes.are_usual
    assert not regimes.are_default
    assert Experiment(regimes=painted).as_dict()["regimes"] == painted
    assert not Regimes.from_document(painted | {"bull": "something else"}).are_usual
    assert not Regimes.from_document({name: painted[name] for name in ("bull", "bear")}).are_usual


@pytest.mark.parametrize(
    ("regimes", "told"),
    [
        ({}, "regimes has 0 labels: name 2 to 12"),
        ({"alone": "one"}, "regimes has 1 label: name 2 to 12"),
        ({f"label{number:02}": "one" for number in range(13)}, "regimes has 13 labels: name 2 to 12"),
        (["risk_on", "risk_off"], "write a mapping of labels to their meanings"),
        ("bull", "regimes is bull: write a mapping"),
        ({"calm": "a", "calm_rise": "b"}, "calm is the beginning of calm_rise, and a label is told by its beginning"),
        (with_label(actions=["sell"]), "regimes.risk_off.actions names 'sell'"),
        (with_label(actions=["enter_lnog"]), "did you mean 'enter_long'?"),
        (with_label(actions=[]), "regimes.risk_off.actions is []: list at least one of enter_long"),
        (with_label(actions="hold"), "regimes.risk_off.actions is hold: list at least one"),
        (with_label(actions=["hold", "hold"]), "names one of them twice"),
        (with_label(colour="red"), "regimes.risk_off.colour is 'red': write #rgb or #rrggbb in quotes"),
        (with_label(colour="#12345"), "write #rgb or #rrggbb"),
        (with_label(colour=None), "YAML takes # for the beginning of a comment"),
        (with_label(color="#123"), "regimes.risk_off.color is an unknown key, did you mean 'colour'?"),
        ({"a": "x", "b": {"actions": ["hold"]}}, "regimes.b.meaning is missing: say in one line"),
        ({"a": "x", "b": None}, "regimes.b.meaning is None"),
        ({"a": "x", "b": "  "}, "regimes.b.meaning is empty"),
        ({"a": "x", "b": 3}, "regimes.b.meaning is 3: write one line of text"),
        ({"a": "x", "b": "x" * 121}, "regimes.b.meaning has 121 characters, at most 120"),
        ({"a": "x", "b": "y\nz"}, "holds a line break or a sign that nobody sees"),
        ({"a": "x", "b": "\x1b[31mred"}, "holds a line break or a sign that nobody sees"),
        ({"a": "x", "b": "\u202edlog"}, "holds a line break or a sign that nobody sees"),
        ({"a": "x", "<b>": "y"}, "'<b>' is no label: write at most 30 small letters"),
        ({"a": "x", "drop table": "y"}, "is no label"),
        ({"a": "x", "\x1b[2J": "y"}, r"'\x1b[2J' is no label"),
        ({"a": "x", "Bull": "y"}, "is no label"),
        ({"a": "x", "b" * 31: "y"}, "is no label"),
        ({"a": "x", "b\n": "y"}, "is no label"),
    ],
)
def test_labels_that_cannot_be_are_one_sentence(regimes, told):
    for make in (lambda: Experiment.from_mapping({"regimes": regimes}), lambda: Experiment(regimes=regimes)):
        with pytest.raises(ConfigurationError) as caught:
            make()
        assert told in str(caught.value)
        assert "\n" not in str(caught.value)
        assert "\x1b" not in str(caught.value)


def test_a_calibration_or_layout_for_other_labels_is_refused():
    four = {"states": 60, "labels": {"bull": 0.7, "bear": 0.1, "sideways": 0.1, "turbulent": 0.1}}
    with pytest.raises(ConfigurationError, match=r"labels\.bull is an unknown key; known are risk_on, risk_off, mixed"):
        Experiment.from_mapping({"regimes": DOCUMENT, "advisor": {"calibration": four}})
    two = {"states": 60, "labels": {"risk_on": 0.5, "risk_off": 0.5}}
    with pytest.raises(ConfigurationError, match=r"labels\.mixed is missing"):
        Experiment.from_mapping({"regimes": DOCUMENT, "advisor": {"calibration": two}})
    with pytest.raises(ConfigurationError, match=r"labels\.risk_on is an unknown key"):
        Experiment.from_mapping({"advisor": {"calibration": two}})


def test_a_label_is_a_plain_word():
    assert as_label("bull") is RegimeLabel.BULL
    assert as_label("risk_on") == "risk_on"
    for wrong in ("", "<b>", "a b", "A", "a\n"):
        with pytest.raises(ValueError, match="is no label"):
            as_label(wrong)
