"""Whatever others wrote (an answer, a run folder, a file, a server's body) comes to a value or to one sentence.

An ordinary run tries a few hundred inputs of each reader, always the same, after every one that ever failed
(``fuzz/kept``). ``make fuzz`` tries new ones for ``BTLLM_FUZZ_MINUTES``, and keeps those that fail in ``.fuzz``, to try
them first the next time.
"""

import hashlib
import os
import random
import sys
import time
from pathlib import Path

import pytest
from fuzzing import NIGHTLY, TABLE

from fuzz import answers, files, folders, frames, hypotheses, models, prompts, servers, texts, training, watched
from fuzz.mutation import WHOLE, mutated
from fuzz.target import Tally, try_one

pytestmark = [pytest.mark.server, pytest.mark.slow]

KEPT, FOUND = Path(__file__).parent / "kept", Path(__file__).parents[2] / ".fuzz"
MINUTES = float(os.environ.get("BTLLM_FUZZ_MINUTES", "20"))
ALL = (
    *answers.TARGETS,
    *files.TARGETS,
    *folders.TARGETS,
    *frames.TARGETS,
    *hypotheses.TARGETS,
    *training.TARGETS,
    *models.TARGETS,
    *prompts.TARGETS,
    *servers.TARGETS,
    *texts.TARGETS,
    *watched.TARGETS,
)
TARGETS = {target.name: target for target in ALL if target.tries or NIGHTLY}
SHARES = sum(target.share for target in TARGETS.values())


def inputs(target):
    """Honest inputs first, then nothing of the kind, then without end what comes of the honest ones."""
    seeds = target.seeds()
    yield from seeds[: max(1, target.tries // 4)]
    yield from WHOLE if target.mutate is mutated else ()
    dice = random.Random(time.time_ns() if NIGHTLY else target.name)
    while True:
        yield target.mutate(dice, dice.choice(seeds), seeds)


def kept(target):
    """Every input of this target that ever failed."""
    for folder in (KEPT, FOUND):
        for path in sorted((folder / target.name.replace(" ", "_")).glob("*")):
            yield path.read_bytes()


@pytest.mark.skipif(sys.platform != "linux", reason="memory and processor time of an input are asked of Linux")
@pytest.mark.parametrize("name", TARGETS)
def test_a_reader_comes_to_a_value_or_to_one_sentence(name, tmp_path):
    target, tally = TARGETS[name], Tally()
    for data in target.seeds()[:1]:
        try_one(target, data, tmp_path, Tally())  # what is imported and made once takes memory of its own
    for data in kept(target):
        try_one(target, data, tmp_path, tally)
    end = time.monotonic() + 60 * MINUTES * target.share / SHARES
    for number, data in enumerate(inputs(target)):
        try_one(target, data, tmp_path, tally)
        if time.monotonic() > end if NIGHTLY else number >= target.tries:
            break
    TABLE.append(tally.line(name))
    for problem, data in tally.failures.items():
        folder = FOUND / name.replace(" ", "_")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{hashlib.sha256(data).hexdigest()[:16]}.bin").write_bytes(data)
        TABLE.append(f"    {problem}: {data[:200]!r}")
    assert not tally.failures, list(tally.failures)
    assert tally.accepted, "an honest input is read"
