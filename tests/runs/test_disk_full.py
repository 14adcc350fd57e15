"""A disk that is really full: a small file system where one may be mounted, a limit on files elsewhere. Every command
ends with one sentence, exit code 6, and goes on where it was when there is room."""

import subprocess
import sys

import pytest
from fault_runs import environment, evidence, start_run, write_experiment
from misbehaving_server import answer, serving

pytestmark = [pytest.mark.server, pytest.mark.slow]

LIMITED = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, ({most}, {most}))
"""


@pytest.fixture
def small_disk(tmp_path):
    """A folder with room for so many bytes, which may be changed."""
    place = tmp_path / "disk"
    place.mkdir()

    def sized(kilobytes, again=False):
        options = f"{'remount,' if again else ''}size={kilobytes}k"
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", options, "tmpfs", place], capture_output=True)
        if done.returncode:
            pytest.skip("no file system may be mounted here")
        return place

    yield sized
    subprocess.run(["umount", place], capture_output=True, check=False)


def test_a_full_file_system_is_told_and_the_command_goes_on_when_there_is_room(tmp_path, small_disk, commands):
    with serving(answer()) as server:
        whole = tmp_path / "whole"
        write_experiment(whole, 6)
        settings = environment(server.url, tmp_path / "cache")
        assert commands.run(whole, environment(server.url, whole / "cache"))[0] == 0
        asked, folder = len(server.questions), tmp_path / "disk" / "run"
        small_disk(40)
        write_experiment(folder, 6)
        for kilobytes in (40, 80):
            small_disk(kilobytes, again=True)
            code, said, _ = commands.run(folder, settings)
            assert (code, "Traceback" in said) == (6, False), said
            assert "No space left on device" in said
        small_disk(20_000, again=True)
        assert commands.run(folder, settings)[0] == 0
        assert evidence(folder) == evidence(whole)
        assert len(server.questions) <= 2 * asked + 1


@pytest.mark.parametrize(("most", "file"), [(0, "prices.csv"), (20_000, "prices.csv"), (60_000, "report")])
def test_a_file_that_may_not_grow_is_told(tmp_path, commands, most, file):
    write_experiment(tmp_path, 60)
    words = ("run", "experiment.yaml", "--arm", "regime_rule")
    start = commands.popen if most else start_run  # what a command of the first says goes to a file as well
    settings = {"BTLLM_CACHE_DIR": str(tmp_path / "cache")}
    run = start(tmp_path, settings, before=LIMITED.format(most=most), words=words)
    _, said = run.communicate(timeout=120)
    assert (run.returncode, "Traceback" in said) == (6, False), said
    assert said.strip().splitlines()[-1].startswith("Error: reports/remote-regime_rule-"), said
    assert "File too large" in said
    assert [path.name.rpartition(".")[2] for path in (tmp_path / "reports").iterdir() if path.is_dir()] == ["partial"]


@pytest.mark.parametrize("words", [("init", "new"), ("replay", "RUN")], ids=["init", "replay"])
def test_other_commands_tell_it_too(tmp_path, commands, words):
    write_experiment(tmp_path, 6)
    if "RUN" in words:
        assert commands.run(tmp_path, {}, ("run", "experiment.yaml", "--arm", "regime_rule", "--quiet"))[0] == 0
        words = ("replay", next(str(path) for path in (tmp_path / "reports").iterdir() if path.is_dir()))
    run = start_run(tmp_path, {}, LIMITED.format(most=10), words)
    _, said = run.communicate(timeout=120)
    assert (run.returncode, "Traceback" in said) == (6, False), said
    assert said.strip().splitlines()[-1].startswith("Error: ")


def test_an_output_that_is_full_is_one_sentence(tmp_path):
    with open("/dev/full", "w") as full:
        program = [sys.executable, "-c", "from simulator.cli.main import main; main()", "models", "list", "--json"]
        done = subprocess.run(program, stdout=full, stderr=subprocess.PIPE, text=True, cwd=tmp_path)
    assert done.returncode == 6, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stderr.startswith("Error: ")
