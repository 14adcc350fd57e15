"""A register that somebody else wrote, and one that a process was killed in before its first entry was known whole."""

import pytest

from llm_strategy.errors import RegisterError
from simulator.hypotheses.register import Proposer, Register
from simulator.hypotheses.statement import Hypothesis
from simulator.registers.chain import Chain

PERSON = Proposer("person", "")
STATEMENT = Hypothesis.from_document(
    {"conditions": ["market.trend > 0.1"], "direction": "up", "horizon": 5, "effect": 0.01}, "statement"
)


@pytest.fixture
def register(tmp_path):
    return Register(tmp_path / "hypotheses.sqlite")


class Killed(BaseException):
    pass


def killed_behind_the_entry(monkeypatch):
    """The first head with an entry in it is never written."""
    write = Chain._write_head

    def write_until_killed(self, entries):
        if entries:
            raise Killed
        write(self, entries)

    monkeypatch.setattr(Chain, "_write_head", write_until_killed)


def test_a_process_that_is_killed_behind_the_first_entry_leaves_a_register_that_goes_on(register):
    with pytest.MonkeyPatch.context() as patch:
        killed_behind_the_entry(patch)
        with pytest.raises(Killed):
            register.propose(STATEMENT, PERSON)
    assert register.check() is None
    assert register.propose(STATEMENT, PERSON).number == 1
    assert register.propose(STATEMENT, Proposer("person", "another")).number == 2
    assert register.check() is None


@pytest.mark.parametrize(
    "content",
    [
        {"run": ""},
        {"statement": {}, "sentence": "\x1b[31mred", "proposer": PERSON.as_document(), "run": ""},
        {"statement": {}, "sentence": "so", "proposer": "me", "run": ""},
    ],
    ids=["nothing proposed", "control characters", "no proposer"],
)
def test_an_entry_that_no_command_writes_is_told_in_a_sentence(register, content):
    with Chain(register.path).writing() as appender:
        appender.add("proposed", STATEMENT.id, content, None)
    with pytest.raises(
        RegisterError, match=r"^Entry 1 of .* is none of a register: bring back .* and begin another\.$"
    ):
        register.entries("proposed")
