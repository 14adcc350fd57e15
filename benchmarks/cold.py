"""Six years of daily bars with the embedded model and an empty record: loading, asking, trading, and the page."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import simulator
from benchmarks.figures import Figure
from llm_strategy.llm import FolderStore, RecordingClient, get_llm_client
from llm_strategy.llm.settings import load_settings
from simulator.experiment.configuration import Experiment

MODEL = "smollm2-135m"
START, END = "2005-01-01", "2010-12-31"


def figures() -> Iterator[Figure]:
    """Seconds, and how many questions there were."""
    with tempfile.TemporaryDirectory() as folder:
        experiment = Experiment.from_mapping(
            {
                "data": {"source": "sample:sp500", "start": START, "end": END},
                "output": {"folder": str(Path(folder) / "runs")},
            }
        )
        processor, clock = time.process_time(), time.perf_counter()
        with get_llm_client("bench", settings=load_settings(model=MODEL, backend="llama_cpp")) as model:
            client = RecordingClient(model, model.identity, FolderStore(Path(folder) / "record"))
            simulator.run(experiment, client=client)
            seconds, asked = time.perf_counter() - clock, client.usage.asked
        yield Figure("from an empty record to the page (clock)", seconds, "s", aim=60)
        yield Figure("the same by the processor", time.process_time() - processor, "s")
        yield Figure("questions asked", asked, "questions")
