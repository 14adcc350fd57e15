"""The experiment file: every wrong key is one sentence that names it."""

import pytest
import yaml

from llm_strategy.errors import ConfigurationError
from simulator import Experiment
from simulator.experiment.arms import ALL_ARMS
from simulator.runs.compare import as_experiment


def test_the_starter_is_a_whole_experiment():
    experiment = Experiment.starter()
    assert set(experiment.arms) <= set(ALL_ARMS)
    assert Experiment.from_mapping(experiment.as_dict()) == experiment


MULTIPLIED = "a0: &a0 [x, x, x, x, x]\n" + "".join(
    f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]\n" for level in range(1, 40)
)
"""More values than there are grains of sand."""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is empty"),
        ("[1, 2]", "holds no keys"),
        ("a: [", "not valid YAML"),
        ("name: a\nname: b", "stands twice"),
        ("data: &a {sources: {A: *a}}", "an alias stands within what it stands for"),
        ("arms: &a [&b [*b]]", "an alias stands within what it stands for"),
        (MULTIPLIED, "aliases repeat what they stand for until it is more than 100,000 values"),
        ("name: !!bool maybe", "a value is none of the kind that its tag names"),
        ('name: "\\UFFFFFFFF"', "a value is none of the kind that its tag names"),
        ("riks: {}", "riks is an unknown key, did you mean 'risk'"),
        ("risk: {max_positon_size: 0.1}", "risk.max_positon_size is an unknown key, did you mean 'max_position_size'"),
        ("arms: [lmm]", "did you mean 'llm'"),
        ("arms: [random]", "random but not llm"),
        ("arms: []", "arms"),
        ("data: {start: 2000-13-45}", "month must be in 1..12"),
        ("advisor: {max_failure_rate: .nan}", "must be finite"),
        ("data: {source: 3}", "data.source is 3"),
        ("data: {source: x, timeframe: daily}", "data.timeframe"),
        ("costs: {commission_bps: -1}", "costs.commission_bps is -1"),
        ("costs: {starting_cash: 0}", "costs.starting_cash"),
        ("risk: {max_position_size: 3}", "risk.max_position_size is 3"),
        ("risk: {max_position_size: .nan}", "must be finite"),
        ("risk: {stop_loss_pct: 0.5}", "between min_stop_pct"),
        ("risk: {rearm_after_bars: 0}", "risk.rearm_after_bars"),
        ("risk: {max_risk_per_trade: -0.1}", "risk.max_risk_per_trade is -0.1"),
        ("risk: {max_participation: 1.5}", "1 means 100 percent"),
        ("risk: {min_stop_pct: 0.3, stop_loss_pct: 0.3}", "swap them"),
        ("risk: {min_stop_atr: 5, max_stop_atr: 2}", "swap them"),
        ("risk: {stop_loss_atr: 9, max_stop_atr: 2}", "risk.stop_loss_atr is 9"),
        ("risk: {sizing: kelly}", "risk.sizing"),
        ("risk: {sizing: equal_wieght}", "did you mean 'equal_weight'"),
        ("risk: {max_net_exposure: 2}", "would never be reached"),
        ("risk: {min_holding_bars: 9, max_holding_bars: 5}", "swap them"),
        ("risk: {take_profit_pct: 0.04, min_reward_to_risk: 2}", "every entry would be refused"),
        ("risk: {max_group_exposure: 0.5}", "there are no groups"),
        ("risk: {max_gross_exposure: 2}", "the broker lends less"),
        ("risk: {max_positions: null}", "risk.max_positions"),
        ("orders: {entry: stop}", "orders.entry"),
        ("orders: {entry: limit, fill: same_close}", "choose one"),
        ("orders: {entry_bars: 0}", "orders.entry_bars"),
        ("orders: {fill: same_close}\ncosts: {max_fill_share: 0.1}", "leave costs.max_fill_share out"),
        ("costs: {comission_bps: 3}", "did you mean 'commission_bps'"),
        ("costs: {preset: us_equity}", "did you mean 'us_equities'"),
        ("advisor: {decide_every: 0}", "advisor.decide_every"),
        ("advisor: {decide_when: sometimes}", "advisor.decide_when"),
        ("data: {source: x, sources: {A: y}}", "keep source for one symbol"),
        ("advisor: {style: prose}", "advisor.style"),
        ("advisor: {max_failure_rate: 2}", "advisor.max_failure_rate"),
        ("evaluation: {bootstrap_samples: 1}", "evaluation.bootstrap_samples"),
        ("name: ../../etc", "name"),
        ("output: {folder: ''}", "output.folder"),
    ],
)
def test_a_wrong_setting_is_one_sentence(text, words, tmp_path):
    path = tmp_path / "experiment.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        as_experiment(path)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_names_the_command_that_writes_one(tmp_path):
    with pytest.raises(ConfigurationError, match="btllm init"):
        as_experiment(tmp_path / "none.yaml")


def test_dates_may_be_written_bare():
    experiment = Experiment.from_text("data: {source: sample:sp500, start: 2004-01-01}")
    assert experiment.data.start == "2004-01-01"


def test_the_schema_and_the_classes_agree():
    everything = yaml.safe_dump(Experiment().as_dict())
    assert Experiment.from_text(everything) == Experiment()


def test_a_section_with_nothing_under_it_is_left_out():
    assert Experiment.from_text("risk:\ncosts:\nname: a").risk == Experiment().risk
