"""``btllm`` as a person starts it, in processes of their own that need not load the libraries first: a process that has
loaded them forks one for each command."""

import contextlib
import json
import os
import subprocess
import sys
import traceback
from pathlib import Path


class Preloaded:
    """Starts one command at a time; each ends in ``ended`` with its exit code and what it said."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )
        self._said = None

    def start(self, folder, settings, words=("run", "experiment.yaml"), **fault):
        """Begin a command; the process's id. ``fail_at``, ``number`` and ``root`` are those of a ``FailingDisk``."""
        self._said = folder / "said.txt"
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")} | settings
        job = {"cwd": str(folder), "env": environment, "words": words, "said": str(self._said), "fault": fault}
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())["pid"]

    def ended(self):
        """Exit code (negative: the signal), what it said, and what failed on its disk."""
        self._server.stdin.write("\n")  # until then nobody else gets its number, and a late kill meets nobody
        self._server.stdin.flush()
        result = json.loads(self._server.stdout.readline())
        return result["code"], self._said.read_text(), result["fired"]

    def run(self, *given, **named):
        """``start`` and ``ended``."""
        self.start(*given, **named)
        return self.ended()

    def close(self):
        """End the process that holds the libraries."""
        self._server.communicate(timeout=60)


@contextlib.contextmanager
def preloaded():
    """For the length of a test file."""
    commands = Preloaded()
    try:
        yield commands
    finally:
        commands.close()


def _serve():
    import openai  # noqa: F401

    import simulator.runs.compare  # noqa: F401

    for text in sys.stdin:
        job = json.loads(text)
        read, write = os.pipe()
        if not (child := os.fork()):
            os.close(read)
            _become(job, write)
        os.close(write)
        print(json.dumps({"pid": child}), flush=True)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        sys.stdin.readline()
        _, status = os.waitpid(child, 0)
        with os.fdopen(read) as told:
            fired = told.read()
        print(json.dumps({"code": os.waitstatus_to_exitcode(status), "fired": fired or None}), flush=True)


def _become(job, told):
    """Be the command, and end."""
    from failing_disk import FailingDisk

    from simulator.cli.main import main

    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    said = os.open(job["said"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.argv = ["btllm", *job["words"]]
    disk = FailingDisk(**job["fault"]) if job["fault"] else None
    code = 99
    try:
        if disk:
            disk.install()
        main()
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        traceback.print_exc()
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        if disk and disk.fired:
            os.write(told, disk.fired.encode())
        os._exit(code)


if __name__ == "__main__":
    _serve()
