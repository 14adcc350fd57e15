"""A small study of a person's own Cerebro."""

from own_cerebro import own_cerebro

from simulator import Study
from simulator.experiment.configuration import EvaluationConfig

QUICK = {"explain": False, "evaluation": EvaluationConfig(bootstrap_samples=200, placebos=19)}


def study(tmp_path, cerebro=None, **how):
    return Study(cerebro or own_cerebro(), **QUICK | {"folder": tmp_path} | how)
