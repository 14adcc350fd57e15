"""Small runs of a rule that a person tunes, without a model."""

import simulator

RULE = {"rule": "sma_cross", "fast": 10, "slow": 50}


def tuned(folder, *, fast=10, beside=(), evaluation=None, **sections):
    """An experiment of that rule alone, or beside other arms."""
    return simulator.Experiment.from_mapping(
        {
            "name": "tuned",
            "data": {"source": "synthetic:cycles?bars=420&seed=5"},
            "arms": {"mine": {**RULE, "fast": fast}, **dict.fromkeys(beside)},
            "evaluation": {"bootstrap_samples": 100, "placebos": 0, **(evaluation or {})},
            "output": {"folder": str(folder / "reports"), "explain": False},
            **sections,
        }
    )
