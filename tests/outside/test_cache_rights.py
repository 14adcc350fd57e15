"""A cache folder without rights, a file in its place, a home that is not there: one sentence and an exit code, for a
user whom permissions bind."""

import contextlib
import io
import os

import pytest
from typer.testing import CliRunner

from simulator.cli.main import app

NOBODY = 65_534
COMMANDS = {
    "list": (["models", "list"], (0, 4)),
    "verify": (["models", "verify"], (4,)),
    "pull": (["models", "pull"], (4,)),
    "doctor": (["doctor"], (4,)),
    "run": (["run", "--quiet"], (4,)),
    "forget": (["forget", "abcd1234"], (2, 6)),
}
PLACES = {
    "no rights": lambda folder: (folder / "cache").mkdir(mode=0),
    "no right to write": lambda folder: (folder / "cache").mkdir(mode=0o555),
    "a file": lambda folder: (folder / "cache").write_text("x"),
    "a link to itself": lambda folder: (folder / "cache").symlink_to("cache"),
    "in a folder without rights": lambda folder: (folder / "locked").mkdir(mode=0),
}


def as_nobody(command, folder):
    """Exit code and output of a command in a process of its own, which permissions bind."""
    reader, writer = os.pipe()
    process = os.fork()
    if not process:
        code = 99
        try:
            os.close(reader)
            os.chdir(folder)
            if os.getuid() == 0:
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
            with contextlib.redirect_stderr(io.StringIO()) as beside:
                done = CliRunner().invoke(app, command)
            text = done.output + beside.getvalue()
            text += "" if isinstance(done.exception, SystemExit | None) else repr(done.exception)
            os.write(writer, text.encode(errors="replace")[:60_000])
            code = done.exit_code
        finally:
            os._exit(code)
    os.close(writer)
    with os.fdopen(reader, "rb") as said:
        text = said.read().decode()
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]), text


@pytest.fixture(scope="module", autouse=True)
def all_imported(tmp_path_factory):
    """What the commands import is there: nobody may not enter where Python lies, perhaps."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("imports"))
        patch.setenv("BTLLM_CACHE_DIR", "empty")
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
        with open("experiment.yaml", "w", encoding="utf-8-sig") as file:
            file.write("data: {source: 'synthetic:cycles?bars=420'}\n")
        for name in ("list", "doctor", "run", "forget"):
            CliRunner().invoke(app, COMMANDS[name][0])


@pytest.fixture
def folder(tmp_path_factory, monkeypatch):
    """A folder that nobody else than the command's user may need to enter, with an experiment in it."""
    folder = tmp_path_factory.mktemp("rights")
    for above in (folder, *folder.parents):
        if str(above).startswith(os.path.join("/tmp", "pytest-")) and os.getuid() == 0:  # noqa: S108
            above.chmod(0o755)
    folder.chmod(0o777)
    (folder / "experiment.yaml").write_text("data: {source: 'synthetic:cycles?bars=420'}\n")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("BTLLM_CACHE_DIR", str(folder / "cache"))
    for name in ("LLM_BACKEND", "LLM_MODEL", "LLM_INSTRUCT_MODEL_PATH"):
        monkeypatch.delenv(name, raising=False)
    yield folder
    for name in ("cache", "locked"):
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            (folder / name).chmod(0o755)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("name", COMMANDS)
def test_a_cache_folder_that_cannot_be_used_is_one_sentence(name, place, folder, monkeypatch):
    command, codes = COMMANDS[name]
    PLACES[place](folder)
    if place == "in a folder without rights":
        monkeypatch.setenv("BTLLM_CACHE_DIR", str(folder / "locked" / "cache"))
    code, text = as_nobody(command, folder)
    assert code in codes, text
    assert "Traceback" not in text
    assert code == 0 or str(folder) in text
    assert code == 0 or "Error" in text.partition("Error(")[0] or "FAIL" in text


@pytest.mark.parametrize("name", COMMANDS)
def test_a_home_that_is_not_there_is_one_sentence(name, folder, monkeypatch):
    monkeypatch.chdir(folder)
    monkeypatch.setenv("BTLLM_CACHE_DIR", "~nobody-of-this-name/cache")
    done = CliRunner().invoke(app, COMMANDS[name][0])
    assert done.exit_code in (2, 4)
    assert "begins with a home that is not there: write the path without ~" in " ".join(done.output.split())
    assert isinstance(done.exception, SystemExit)
