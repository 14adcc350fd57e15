"""Print every figure: ``python -m benchmarks``; the parts that ask the model take some minutes the first time."""

from __future__ import annotations

import resource

from benchmarks.analytics import print_analytics
from benchmarks.asking_ahead import print_asking_ahead
from benchmarks.charts import print_charts
from benchmarks.checklists import print_checklists
from benchmarks.demo import print_demo
from benchmarks.documents import print_documents
from benchmarks.endpoints import print_endpoints
from benchmarks.model import distinct_snapshots, measure_validity, seconds_per_decision
from benchmarks.warm import print_warm
from llm_strategy import Journal, ModelAdvisor
from llm_strategy.llm import get_llm_client
from simulator.experiment.configuration import Experiment
from simulator.prices.universe import load_universe
from simulator.runs.answers import connect
from simulator.runs.simulation import simulate

SOURCES = ("sample:sp500", "sample:nasdaq", "synthetic:crash", "synthetic:cycles", "synthetic:calm")


def main() -> None:
    """All benchmarks."""
    experiment = Experiment.starter()
    universe = load_universe(experiment.data)
    client = connect(experiment)
    advisor = ModelAdvisor(client, view=experiment.advisor.view)
    journal = simulate(universe, advisor, experiment, Journal())
    bars, distinct = len(journal.entries), len({entry.decision.prompt for entry in journal.entries})
    print(f"requests per bar                            {distinct / bars:.3f}   ({distinct} distinct of {bars})")

    print_warm()
    print_demo()
    print_documents()
    print_analytics()
    print_checklists()
    print_charts()
    print_asking_ahead()
    print_endpoints()

    snapshots = distinct_snapshots(*SOURCES)
    with get_llm_client() as model:
        kept, anew = seconds_per_decision(model, snapshots[:8])
    print(f"decision with the prefix kept over read anew {kept / anew:.3f}x  ({kept:.2f} s and {anew:.2f} s)")

    validity = measure_validity(client, snapshots)
    print(f"distinct snapshots asked                    {validity.asked}")
    print(f"contract-valid without repair               {validity.valid_at_once / validity.asked:.1%}")
    print(f"repaired, abstained                         {validity.repaired}, {validity.abstained}")
    print(f"coherent (label, action, rationale agree)   {validity.coherent / validity.asked:.1%}")
    print(f"label is that of the causal rule            {validity.agree_with_rule / validity.asked:.1%}")
    print(f"labels                                      {dict(validity.labels)}")
    print(f"actions                                     {dict(validity.actions)}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"peak memory of this process                 {peak:.0f} MB")


if __name__ == "__main__":
    main()
