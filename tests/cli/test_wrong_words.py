"""What is typed into the wrong place, or nearly right: one sentence that says where it belongs."""

import pytest
from command_line import only_error, write_experiment

SWEEP = "experiment: experiment.yaml\ngrid: {risk.max_position_size: [0.1, 0.2]}\n"


@pytest.mark.parametrize("command", ["compare", "run", "advise", "check-lookahead", "watch"])
def test_a_sweep_in_place_of_an_experiment(btllm, tmp_path, command):
    write_experiment(tmp_path)
    (tmp_path / "sweep.yaml").write_text(SWEEP)
    message = only_error(btllm(command, "sweep.yaml"), 2)
    assert "sweep.yaml is a sweep and no experiment: run it with btllm sweep" in message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("max_position_size: 0.5", "max_position_size is an unknown key there: write it under risk."),
        ("risk: {commission_bps: 5}", "risk.commission_bps is an unknown key there: write it under costs."),
        ("advisors: {a: {checklist: x.yaml}}\narms: [a]", "advisors.a.checklist is an unknown key there: write it"),
        ("risk: {commision_bps: 5}", "risk.commision_bps is an unknown key; known are"),
        ("risk: {max_positoin_size: 0.5}", "did you mean 'max_position_size'?"),
        ("data:\n\tsource: sample:nasdaq", "is not valid YAML: line 2 is indented with a tab: write spaces there."),
        ("data:\n source: 'sample:nasdaq", "is not valid YAML: while scanning a quoted scalar"),
        ("advisors: {a: {backend: olama}}\narms: [a]", "advisors.a.backend 'olama' is not installed, did you mean"),
    ],
)
def test_a_setting_in_the_wrong_place(btllm, tmp_path, text, message):
    (tmp_path / "experiment.yaml").write_text(text + "\n")
    assert message in only_error(btllm("compare", "experiment.yaml"), 2)


def test_a_tab_in_the_settings_of_the_model_tells_no_word_of_them(btllm, tmp_path):
    write_experiment(tmp_path)
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "llm.yaml").write_text("openai:\n\tapi_key: sk-secret\n")
    message = only_error(btllm("compare", "experiment.yaml"), 2)
    assert "line 2 is indented with a tab: write spaces there." in message
    assert "sk-secret" not in message


def test_a_wrong_number_of_processes_is_told_before_prices_are_loaded(btllm, tmp_path):
    write_experiment(tmp_path, data={"source": "csv:nowhere.csv"})
    assert "workers is 0" in only_error(btllm("compare", "experiment.yaml", "--workers", "0"), 2)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("watch", "verfy", "reports/x"), "No such command 'verfy'. Did you mean 'verify'?"),
        (("watch", "stauts"), "No such command 'stauts'. Did you mean 'status'?"),
        (("export", "reports/x", "--format", "retruns"), "'mlflow', did you mean 'returns'?"),
        (("export", "reports/x", "--format", "zzz"), "'zzz' is not one of 'returns', 'parquet', 'otel', 'mlflow'."),
        (("runs", "--sort", "sharp"), "did you mean 'sharpe'?"),
    ],
)
def test_a_misspelt_word_of_the_command_line(btllm, words, message):
    code, _, err = btllm(*words)
    told = " ".join(err.replace("│", " ").split())
    assert code == 2
    assert message in told
    assert "Value error" not in told


def test_a_file_that_is_named_like_a_command_is_watched(btllm, tmp_path):
    (tmp_path / "verifi").write_text("nmae: x\n")
    assert "did you mean 'name'?" in only_error(btllm("watch", "verifi"), 2)
