"""The schema of experiments is written from the fields of their classes, and nowhere else."""

import json
from importlib.resources import files

from simulator.experiment.schema import experiment_schema

SCHEMA = json.loads((files("llm_strategy.contracts") / "experiment.schema.json").read_text(encoding="utf-8"))


def test_the_schema_is_that_of_the_fields():
    assert experiment_schema() == SCHEMA, "write it again with: make contracts"
