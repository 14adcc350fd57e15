"""Facts of an arm that are the same on the page of its comparison and in its own folder: measured once."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.run import bars_a_year

AddFacts = Callable[[FactTable, Record, ArmRecord], None]
_MADE: WeakKeyDictionary[ArmRecord, dict[Hashable, FactTable]] = WeakKeyDictionary()


def add_once(table: FactTable, record: Record, arm: ArmRecord, add: AddFacts) -> None:
    """Add what ``add`` measures of an arm, from the first time that it was asked for.

    Records that share an arm share its prices; what else a measure rests on, the experiment and the bars of a year,
    must be the same as then.
    """
    how = add, bars_a_year(record), json.dumps(record.manifest["experiment"], sort_keys=True)
    made = _MADE.setdefault(arm, {})
    if how not in made:
        made[how] = FactTable()
        add(made[how], record, arm)
    table.take(made[how])
