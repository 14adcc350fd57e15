"""The commands of a watch: what they tell, and what was done to a record."""

import json

import pytest
from command_line import only_error, write_experiment


@pytest.mark.parametrize(
    ("file", "how"),
    [(file, how) for file in ("bars.jsonl", "decisions.chain.jsonl") for how in ("changed", "removed", "inserted")],
    ids=lambda value: value.partition(".")[0],
)
def test_what_was_done_to_a_record_is_named_and_it_is_not_gone_on_with(btllm, tmp_path, file, how):
    made = write_experiment(tmp_path, data={"source": "synthetic:cycles?bars=282&seed=5"}, arms=["regime_rule"])
    assert btllm("watch", made)[0] == 0
    (folder,) = (tmp_path / "out").glob("small-watch-*")
    assert btllm("watch", "verify", folder)[0] == 0
    lines = (folder / file).read_text().splitlines()
    if how == "changed":
        lines[4] = lines[4].replace('"number":5', '"number": 5')
    elif how == "removed":
        del lines[4]
    else:
        lines.insert(4, lines[6])
    (folder / file).write_text("".join(f"{line}\n" for line in lines))
    error = only_error((*btllm("watch", "verify", folder)[:1], "", btllm("watch", "verify", folder)[2]), 6)
    assert f"{file} line 5 {how}" in error
    for words in (["watch", made], ["watch", "shadow", folder], ["report", folder]):
        status, _, err = btllm(*words)
        assert status == 6, words
        assert file in err


def test_the_commands_tell_what_a_watch_is_and_what_it_proves(btllm, tmp_path):
    made = write_experiment(tmp_path, data={"source": "synthetic:cycles?bars=282&seed=5"}, arms=["regime_rule"])
    status, out, err = btllm("watch", made, "--feed", "replay:", "--speed", "0")
    assert status == 0, err
    (folder,) = (tmp_path / "out").glob("small-watch-*")
    assert f"btllm watch verify {folder.relative_to(tmp_path)}" in out
    assert "The feed has ended: " in out
    assert "Whole: " in btllm("watch", "verify", folder)[1]
    assert json.loads(btllm("watch", "verify", folder, "--json")[1])["whole"] is True
    assert btllm("watch", "shadow", folder)[1].startswith("same")
    status, out, _ = btllm("watch", "status", folder)
    assert "is not running: " in out
    found = json.loads(btllm("watch", "status", folder, "--json")[1])
    assert found["arms"]["regime_rule"]["equity"] > 0
    assert f"is a watch and no run: see btllm watch status out/{folder.name};" in " ".join(
        map(str, btllm("runs", "out"))
    )
    assert "is no folder of a watch" in only_error(btllm("watch", "status", tmp_path), 6)
