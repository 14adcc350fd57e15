"""The demo's figures are expected statistics: no change of any of them passes unseen."""

import json

import pytest
from expected_demo import FIGURES, PARTS, differences, figures, recorded_client
from fuzzing import NIGHTLY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("part", PARTS if NIGHTLY else ["to 2003"])
def test_every_figure_of_the_demo_is_as_expected(part, tmp_path):
    expected = json.loads(FIGURES.read_text())[part]
    changed = differences(expected, figures(part, recorded_client(), tmp_path))
    told = "\n".join(changed)
    assert not changed, f"{len(changed)} figures of the demo changed; where that was meant: make expected\n{told}"


def test_a_changed_figure_is_told_by_its_name():
    expected = json.loads(FIGURES.read_text())["to 2003"]
    name = "llm.sharpe"
    value, text = expected[name]
    assert differences(expected, expected | {name: [value * (1 + 1e-12), text]}) == []
    for other in ([value + 1e-6, text], [value, text + "1"], [str(value), text]):
        (line,) = differences(expected, expected | {name: other})
        assert line.startswith(name)
        assert text in line
    (line,) = differences(expected, {key: fact for key, fact in expected.items() if key != name})
    assert line.endswith("no such fact")
