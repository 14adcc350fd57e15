"""Where cells are traded: in this process, in others of this machine (loky), or by the workers of a Dask cluster.

The same bytes come of each. Cells go in parts that share prices and decisions; what a lost worker had in hand is traded
again by another one.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import threading
import time
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError
from concurrent.futures.process import BrokenProcessPool
from importlib.metadata import version
from queue import Empty, SimpleQueue
from typing import Any, NamedTuple, Self, TypeAlias

from joblib import Parallel, delayed
from joblib.externals.loky import get_reusable_executor

from llm_strategy.errors import BacktraderLLMError, ConfigurationError, RunFolderError
from simulator.experiment.configuration import Experiment
from simulator.runs.parts import end_with
from simulator.sweeps.shelf import Held, Shelf
from simulator.sweeps.trade import ArmOutcome, CellProblem, CellWork, trade_cells

ATTEMPTS = 3
"""How often a part is begun before a sweep gives up on it: one that ends its worker each time would go on for ever."""
_IDLE_SECONDS = 20
_CONNECT_SECONDS = 10
_SCHEMES = ("", "tcp", "tls", "ws", "wss", "ucx")
"""How a scheduler is spoken to; ``tcp`` where an address does not say."""
_INSTALL = "pip install 'backtrader-llm[dask]'"


class Part(NamedTuple):
    """Cells that are traded by one worker, one after the other: ``key`` names them, ``files`` are what they need of the
    shelf."""

    key: str
    cells: tuple[CellWork, ...]
    files: tuple[str, ...]


Traded: TypeAlias = tuple[Part, list[ArmOutcome]]
Outcomes: TypeAlias = Generator[tuple[str, list[ArmOutcome] | CellProblem]]
Trade: TypeAlias = Callable[[Sequence[Part], Shelf], Outcomes]
"""Trades parts in any order; raises ``WorkerLost`` where some of them were lost."""


class WorkerLost(Exception):
    """A worker ended by itself; ``parts`` are the keys of those that it may have had in hand."""

    def __init__(self, parts: set[str], why: str = "") -> None:
        super().__init__(why)
        self.parts = parts


class CellFailed(NamedTuple):
    """A cell that cannot be traded."""

    cell: int
    problem: BacktraderLLMError


def trade_parts(parts: Sequence[Part], shelf: Shelf, trade: Trade) -> Generator[Traded | CellFailed]:
    """Trade all parts, those of a lost worker again; ends behind a cell that cannot be traded.

    Raises ``RunFolderError`` for a part that ended its worker every time.
    """
    left = {part.key: part for part in parts}
    attempts = dict.fromkeys(left, 0)
    while left:
        try:
            with contextlib.closing(trade(list(left.values()), shelf)) as outcomes:
                for key, found in outcomes:
                    if isinstance(found, CellProblem):
                        yield CellFailed(*found)
                        return
                    yield left.pop(key), found
        except WorkerLost as lost:
            for key in lost.parts & left.keys():
                attempts[key] += 1
                if attempts[key] >= ATTEMPTS:
                    numbers = [cell.number for cell in left[key].cells]
                    raise RunFolderError(
                        f"The worker of cells {numbers[0]} to {numbers[-1]} ended by itself {ATTEMPTS} times"
                        f"{f' ({lost})' if str(lost) else ''}: give it more memory or take fewer workers; the same "
                        "command goes on, and finished cells are kept."
                    ) from None


def in_process(parts: Sequence[Part], shelf: Shelf) -> Outcomes:
    """Trade in this process."""
    for part in parts:
        yield part.key, trade_cells(part.cells, shelf.paths(part.files))


class Processes:
    """So many processes of this machine, which map prices and decisions into memory; use them as a context manager.

    They are begun before there is anything to trade, because a process takes a second to load the libraries.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._beginning: Iterator[None] = iter(())
        self._busy = 0.0
        """When they had something to do last (``time.monotonic``)."""

    def __enter__(self) -> Self:
        with _uninterrupted():
            self._beginning = self._run([delayed(_belong_to)(os.getpid())])
        self._busy = time.monotonic()
        return self

    def __exit__(self, *_: object) -> None:
        self._wait()

    def trade(self, parts: Sequence[Part], shelf: Shelf) -> Outcomes:
        """Trade in these processes."""
        begun: set[str] = set()

        def tasks() -> Iterator[Any]:
            for part in parts:
                begun.add(part.key)
                yield delayed(_named)(part.key, part.cells, shelf.paths(part.files))

        self._wait()
        if time.monotonic() - self._busy > _IDLE_SECONDS / 2:  # loky warns where one ends that has just been given work
            get_reusable_executor(reuse=True).shutdown(wait=True, kill_workers=True)
        try:
            with _uninterrupted():
                found = self._run(tasks())
            try:
                for one in found:  # noqa: UP028 - it would close what is found, which warns of what is under way
                    yield one
            finally:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", UserWarning)
                    found.close()
                self._busy = time.monotonic()
        except BrokenProcessPool:
            raise WorkerLost(begun) from None

    def _run(self, tasks: Iterable[Any]) -> Any:
        """The outcomes of tasks as they come. All calls share the processes, and nothing else: one that lost a worker
        would give its outcomes to the next."""
        pool = Parallel(
            self._workers,
            backend="loky",
            return_as="generator_unordered",
            batch_size=1,
            pre_dispatch="2*n_jobs",
            idle_worker_timeout=_IDLE_SECONDS,
            initializer=_belong_to,
            initargs=(os.getpid(),),
        )
        return pool(tasks)

    def _wait(self) -> None:
        """Wait until the processes are there; those that have ended meanwhile are begun again by who needs them."""
        with contextlib.suppress(BrokenProcessPool):
            for _ in self._beginning:
                pass


@contextlib.contextmanager
def _uninterrupted() -> Iterator[None]:
    """Have processes that are begun meanwhile ignore Ctrl-C, which ends this one: it tells what becomes of a sweep."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    usual = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, usual)


def _belong_to(parent: int) -> None:
    """Leave Ctrl-C to the process that began this one, and end with it: a worker of loky waits for it for ever."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with(parent)


def _named(key: str, cells: Sequence[CellWork], files: dict[str, Held]) -> tuple[str, list[ArmOutcome] | CellProblem]:
    return key, trade_cells(cells, files)


@contextlib.contextmanager
def on_dask(address: str) -> Iterator[Trade]:
    """Trade on the cluster of the scheduler at an address (``tcp://host:8786``). Prices and decisions are scattered
    once. Raises ``ConfigurationError`` where there is no such cluster."""
    try:
        from distributed import Client as Connect
    except ImportError:
        raise ConfigurationError(f"A sweep on Dask needs distributed: {_INSTALL}") from None
    try:
        client = _connected(Connect, address)
    except (OSError, ValueError, TimeoutError) as problem:
        told = " ".join(str(problem).split()) or type(problem).__name__
        raise ConfigurationError(
            f"There is no scheduler of Dask at {address} ({told:.120}): start one with dask scheduler, and workers "
            "with dask worker ADDRESS."
        ) from None
    with client:
        _check_workers(client, address)
        yield _scattering(client)


def check_address(address: str) -> None:
    """Raise ``ConfigurationError`` for what cannot be the address of a scheduler."""
    scheme, _, place = address.rpartition("://")
    host, _, port = place.rpartition(":")
    if scheme not in _SCHEMES or not host or not port.isdecimal():
        raise ConfigurationError(
            f"dask is {address!r:.80}: give the address that dask scheduler prints, such as tcp://10.0.0.1:8786."
        )


def _connected(connect: Any, address: str) -> Any:
    """The client of a scheduler. It is made in a thread of its own, because it waits for ever for the word of a server
    that is none, such as that of the dashboard."""
    found: SimpleQueue[Any] = SimpleQueue()

    def begin() -> None:
        try:
            found.put(connect(address, timeout=_CONNECT_SECONDS))
        except Exception as problem:
            found.put(problem)

    threading.Thread(target=begin, daemon=True).start()
    try:
        client = found.get(timeout=2 * _CONNECT_SECONDS)
    except Empty:
        raise TimeoutError("what is there does not answer as one") from None
    if isinstance(client, Exception):
        raise client
    return client


def _check_workers(client: Any, address: str) -> None:
    """Raise ``ConfigurationError`` where there are no workers, or one has another version of this package."""
    try:
        client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
        versions = client.run(_installed)
    except TimeoutError:
        raise ConfigurationError(
            f"The scheduler at {address} has no workers: start some with dask worker {address}."
        ) from None
    except ImportError as problem:
        raise ConfigurationError(
            f"A worker of {address} lacks a module ({problem}): install the same backtrader-llm there ({_INSTALL})."
        ) from None
    own = _installed()
    for worker, other in versions.items():
        if other != own:
            raise ConfigurationError(
                f"The worker {worker} has backtrader-llm {other}, and this is {own}: install the same version there."
            )


def _installed() -> str:
    return version("backtrader-llm")


def _scattering(client: Any) -> Trade:
    from distributed import KilledWorker
    from distributed import as_completed as completed

    as_completed: Any = completed

    def trade(parts: Sequence[Part], shelf: Shelf) -> Outcomes:
        try:
            yield from on_cluster(parts, shelf)
        except (OSError, TimeoutError) as problem:
            told = " ".join(str(problem).split()) or type(problem).__name__
            raise RunFolderError(
                f"The scheduler of Dask is gone ({told:.120}): start it again; the same command goes on, and finished "
                "cells are kept."
            ) from None

    def on_cluster(parts: Sequence[Part], shelf: Shelf) -> Outcomes:
        keys = dict.fromkeys(key for part in parts for key in part.files)
        held = {key: client.scatter(content, broadcast=True) for key, content in shelf.contents(keys)}
        begun = {
            client.submit(
                trade_cells, part.cells, {key: held[key] for key in part.files}, key=f"cells-{part.key}", pure=False
            ): part
            for part in parts
        }
        lost: set[str] = set()
        for future in as_completed(begun):
            part = begun[future]
            try:
                yield part.key, future.result()
            except (KilledWorker, CancelledError) as problem:
                lost.add(part.key)
                why = type(problem).__name__
            future.release()
        if lost:
            raise WorkerLost(lost, why)

    return trade


def can_travel(experiments: Sequence[Experiment]) -> bool:
    """Whether another process can have these: not what was made of objects of a person's own program."""
    try:
        pickle.dumps(experiments)
    except (AttributeError, TypeError, pickle.PicklingError):
        return False
    return True
