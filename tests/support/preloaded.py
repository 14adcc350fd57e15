"""``btllm`` as a person starts it, in processes of their own that need not load the libraries first: a process that has
loaded them forks one for each command."""

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path


class Preloaded:
    """The process that has loaded the libraries, and the commands that it was asked to start."""

    def __init__(self):
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parent,
        )
        self._outputs = tempfile.TemporaryDirectory()
        self._last = None

    def ask(self, **job):
        """Have it start a command, or look for the end of one."""
        self._server.stdin.write(json.dumps(job) + "\n")
        self._server.stdin.flush()
        return json.loads(self._server.stdout.readline())

    def popen(self, folder, settings, words=("run", "experiment.yaml"), before="", fault=None):
        """Begin a command in ``folder``; ``before`` is Python that its process does first."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith("LLM_")} | settings
        out, err = (tempfile.mkstemp(dir=self._outputs.name) for _ in range(2))
        for handle, _ in (out, err):
            os.close(handle)
        files = {"out": out[1], "err": err[1]}
        pid = self.ask(cwd=str(folder), env=environment, words=words, before=before, fault=fault, **files)["pid"]
        return Command(self, pid, **files)

    def start(self, folder, settings, words=("run", "experiment.yaml"), **fault):
        """Begin a command; the process's id. ``fail_at``, ``number`` and ``root`` are those of a ``FailingDisk``."""
        self._last = self.popen(folder, settings, words, fault=fault)
        return self._last.pid

    def ended(self):
        """Exit code (negative: the signal), what it said, and what failed on its disk."""
        out, err = self._last.communicate()
        return self._last.returncode, out + err, self._last.fired

    def run(self, *given, **named):
        """``start`` and ``ended``."""
        self.start(*given, **named)
        return self.ended()

    def close(self):
        """End the process that holds the libraries."""
        self._server.communicate(timeout=60)
        self._outputs.cleanup()


class Command:
    """A command under way, in the words of ``subprocess.Popen``. Until somebody has asked for its end nobody else gets
    its number, and a late kill meets nobody."""

    def __init__(self, server, pid, out, err):
        self.pid, self.returncode, self.fired = pid, None, None
        self._server, self._said = server, (out, err)

    def poll(self):
        """Its exit code, negative for a signal; None while it goes on."""
        if self.returncode is None:
            self.returncode, self.fired = self._server.ask(ended=self.pid)
        return self.returncode

    def wait(self, timeout=600):
        """Its exit code."""
        deadline = time.monotonic() + timeout
        while self.poll() is None:
            if time.monotonic() > deadline:
                self.kill()
                raise TimeoutError(f"The command did not end in {timeout} s.")
            time.sleep(0.01)
        return self.returncode

    def communicate(self, timeout=600):
        """What it said on standard output and on standard error, when it has ended."""
        self.wait(timeout)
        return tuple(Path(name).read_text(encoding="utf-8", errors="replace") for name in self._said)

    def send_signal(self, number):
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self):
        """End it at once."""
        self.send_signal(9)


@contextlib.contextmanager
def preloaded():
    """For the length of a session."""
    commands = Preloaded()
    try:
        yield commands
    finally:
        commands.close()


def _serve():
    import openai  # noqa: F401

    import simulator.runs.compare
    import simulator.runs.replaying  # noqa: F401

    os.fsync = os.fstat  # as in the tests' own processes: nobody cuts the power
    told = {}
    for text in sys.stdin:
        job = json.loads(text)
        if "ended" in job:
            pid, status = os.waitpid(job["ended"], os.WNOHANG)
            answer = None, None
            if pid:
                with os.fdopen(told.pop(pid)) as reading:
                    answer = os.waitstatus_to_exitcode(status), reading.read() or None
            print(json.dumps(answer), flush=True)
            continue
        read, write = os.pipe()
        if not (child := os.fork()):
            os.close(read)
            _become(job, write)
        os.close(write)
        told[child] = read
        print(json.dumps({"pid": child}), flush=True)


def _become(job, told):
    """Be the command, and end."""
    from failing_disk import FailingDisk

    from simulator.cli.main import main

    os.chdir(job["cwd"])
    os.environ.clear()
    os.environ.update(job["env"])
    sys.path[0] = ""  # as python -c has it
    for stream, name in ((1, job["out"]), (2, job["err"])):
        os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), stream)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["btllm", *job["words"]]
    disk = FailingDisk(**job["fault"]) if job["fault"] else None
    code = 1
    try:
        exec(job["before"], {})  # noqa: S102 - a test's own words
        if disk:
            disk.install()
        main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with contextlib.suppress(Exception):
            sys.stdout.flush()
        if disk and disk.fired:
            os.write(told, disk.fired.encode())
        os._exit(code)


if __name__ == "__main__":
    _serve()
