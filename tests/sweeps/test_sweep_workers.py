"""Cells in other processes and on a Dask cluster: the bytes of one process, whatever becomes of a worker."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest
from misbehaving_server import answer, serving
from small_run import recording
from small_sweep import buyer, small_sweep, sums

import simulator
from llm_strategy.errors import ConfigurationError, RunFolderError
from simulator.sweeps import sweep as sweep_module
from simulator.sweeps import workers
from simulator.sweeps.shelf import Shelf
from simulator.sweeps.workers import ATTEMPTS, Part, WorkerLost, trade_parts

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    """The bytes of one process, and the record that holds every answer."""
    client, _ = recording(buyer)
    result = simulator.sweep(small_sweep(tmp_path_factory.mktemp("alone")), client=client, workers=1)
    return sums(result.folder), client


@pytest.fixture
def small_parts(monkeypatch):
    """Cells go in parts of two, so that there are many."""
    monkeypatch.setattr(sweep_module, "CLOSES_OF_A_PART", 700)


def runs(process):
    """Whether a process goes on, and is not merely left for somebody to ask about its end."""
    try:
        with open(f"/proc/{process}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def children(of=None):
    """The process numbers of the workers that trade for a process, this one if absent."""
    found = []
    for name in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{name}/stat") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{name}/cmdline") as line:
                is_worker = "popen_loky" in line.read()
        except OSError:
            continue
        if parent == (of or os.getpid()) and is_worker:
            found.append(int(name))
    return found


@contextmanager
def killing(at):
    """Kill a worker of this machine once so many parts are finished."""
    put, seen = Shelf.put, []

    def counted(shelf, key, content):
        put(shelf, key, content)
        if key.startswith("cells-"):
            seen.append(key)
            if len(seen) == at:
                victims = children()
                assert victims, "no worker to kill"
                os.kill(victims[0], signal.SIGKILL)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Shelf, "put", counted)
        yield seen


def test_a_worker_that_is_killed_loses_nothing(wanted, tmp_path, small_parts):
    bytes_of_one, client = wanted
    with killing(at=2) as finished:
        result = simulator.sweep(small_sweep(tmp_path), client=client, workers=2)
    assert sums(result.folder) == bytes_of_one
    assert len(finished) == len(set(finished)) == 16, "what was finished is not traded again"


@pytest.mark.parametrize("end", ["idle", "killed"])
def test_workers_that_ended_before_there_was_anything_to_trade_are_begun_again(tmp_path, monkeypatch, end):
    if end == "idle":
        monkeypatch.setattr(workers, "_IDLE_SECONDS", 0.5)
    parts = [Part(str(number), (), ()) for number in range(4)]
    with workers.Processes(2) as processes:
        processes._wait()
        began = children()
        assert len(began) == 2
        if end == "killed":
            os.kill(began[0], signal.SIGKILL)
        deadline = time.monotonic() + 60
        while began[0] in children() and time.monotonic() < deadline:
            time.sleep(0.02)
        found = dict(trade_parts(parts, Shelf(tmp_path), processes.trade))
    assert found == {part: [] for part in parts}


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with its parent")
def test_workers_end_with_a_command_that_is_killed():
    program = (
        "import sys\nfrom simulator.sweeps.workers import Processes\n"
        "with Processes(2) as processes:\n    processes._wait()\n    print('begun', flush=True)\n    sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as command:
        assert command.stdout.readline() == b"begun\n"
        began = children(command.pid)
        assert len(began) == 2
        command.kill()
    deadline = time.monotonic() + 60
    while any(map(runs, began)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not any(map(runs, began))


def test_a_part_that_ends_every_worker_is_given_up():
    begun = []

    def trade(parts, shelf):
        begun.append(len(parts))
        yield parts[0].key, []
        raise WorkerLost({parts[-1].key}, "KilledWorker")

    cell = type("Cell", (), {"number": 7})
    parts = [Part(str(number), (cell,), ()) for number in range(9)]
    with pytest.raises(RunFolderError, match=f"cells 7 to 7 ended by itself {ATTEMPTS} times .KilledWorker"):
        list(trade_parts(parts, None, trade))
    assert begun == [9, 8, 7]


@pytest.mark.filterwarnings("default")
def test_a_dask_cluster_by_the_address_of_its_scheduler(wanted, tmp_path, small_parts, monkeypatch):
    distributed = pytest.importorskip("distributed")
    bytes_of_one, client = wanted
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None, host="127.0.0.1"
    ) as cluster:
        address = cluster.scheduler_address
        result = simulator.sweep(small_sweep(tmp_path / "whole"), client=client, dask=address)
        assert sums(result.folder) == bytes_of_one
        victims = [worker.pid for worker in cluster.workers.values()]
        put, seen = Shelf.put, []

        def counted(shelf, key, content):
            put(shelf, key, content)
            seen.append(key)
            if len(seen) == 12:  # prices and decisions of four windows, and some cells
                os.kill(victims[0], signal.SIGKILL)

        monkeypatch.setattr(Shelf, "put", counted)
        result = simulator.sweep(small_sweep(tmp_path / "killed"), client=client, dask=address)
        assert sums(result.folder) == bytes_of_one
        assert len(seen) > 12
        with pytest.raises(ConfigurationError, match="leave workers out"):
            simulator.sweep(small_sweep(tmp_path / "both"), client=client, dask=address, workers=2)
    monkeypatch.setattr(workers, "_CONNECT_SECONDS", 1)
    with pytest.raises(ConfigurationError, match="There is no scheduler of Dask at tcp"):
        simulator.sweep(small_sweep(tmp_path / "nowhere"), client=client, dask="tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["http://10.0.0.1:8787/status", "inproc://1/2", "10.0.0.1", "tcp://", "tcp://a:b"])
def test_what_is_no_address_of_a_scheduler_is_told_before_anything_is_sent(tmp_path, address, monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"give the address that dask scheduler prints, such as tcp://"):
        simulator.sweep(small_sweep(tmp_path, arm="momentum"), dask=address)
    assert not list(tmp_path.iterdir())


@pytest.mark.filterwarnings("default")
def test_a_scheduler_without_workers_is_told_in_bounded_time(monkeypatch):
    distributed = pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "_CONNECT_SECONDS", 2)
    with distributed.LocalCluster(n_workers=0, processes=True, dashboard_address=None, host="127.0.0.1") as cluster:
        address = cluster.scheduler_address
        told = f"The scheduler at {address} has no workers: start some with dask worker {address}"
        with pytest.raises(ConfigurationError, match=told), workers.on_dask(address):
            pass


@pytest.mark.server
@pytest.mark.filterwarnings("default")
def test_a_server_that_is_no_scheduler_is_told_in_bounded_time(monkeypatch):
    pytest.importorskip("distributed")
    monkeypatch.setattr(workers, "_CONNECT_SECONDS", 2)
    with serving(answer()) as server:
        address = f"tcp://127.0.0.1:{server.port}"  # as that of the dashboard
        told = f"There is no scheduler of Dask at {address}"
        with pytest.raises(ConfigurationError, match=told), workers.on_dask(address):
            pass


def test_without_dask_the_line_that_installs_it_is_told(wanted, tmp_path, monkeypatch):
    _, client = wanted
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ConfigurationError, match=r"pip install 'backtrader-llm\[dask\]'"):
        simulator.sweep(small_sweep(tmp_path), client=client, dask="tcp://127.0.0.1:8786")
