"""Further draws for a record of the factory: what ``evaluation.draws`` leaves in the folder of an llm arm."""

import json

import pandas as pd
from small_run import seal


def add_draws(made, changes, temperature=0.8, arm="llm"):
    """Add one draw for each of ``changes``, a function from the decisions and the equity table of the first draw to
    those of the further one; returns ``made``."""
    folder = made.folder / arm if len(made.arms) > 1 else made.folder
    for path in {folder / "manifest.json", made.folder / "manifest.json"}:
        manifest = json.loads(path.read_text())
        manifest["experiment"]["evaluation"]["draws"] = 1 + len(changes)
        path.write_text(json.dumps(manifest | {"sampler": {"temperature": temperature}}))
    for number, change in enumerate(changes, 2):
        decisions = [json.loads(line) for line in (folder / "decisions.jsonl").read_text().splitlines()]
        decisions, equity = change(decisions, pd.read_csv(folder / "equity.csv"))
        drawn = folder / f"draw-{number}"
        drawn.mkdir()
        (drawn / "decisions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in decisions))
        equity.to_csv(drawn / "equity.csv", index=False)
    seal(made.folder)
    return made


def unchanged(decisions, equity):
    """A draw that repeats the first."""
    return decisions, equity


def growing(share):
    """A draw whose account grows by this share a bar on top of the first draw's."""

    def change(decisions, equity):
        more = (1 + share) ** pd.Series(range(len(equity)))
        return decisions, equity.assign(equity=equity["equity"] * more)

    return change
