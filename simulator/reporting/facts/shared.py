"""Facts of an arm that are the same on the page of its comparison and in its own folder: measured once."""

from __future__ import annotations

import json
from collections.abc import Callable, Hashable
from weakref import WeakKeyDictionary

from simulator.folder.record import ArmRecord, Record
from simulator.reporting.facts.fact import FactTable
from simulator.reporting.facts.run import bars_a_year

AddFacts = Callable[[FactTable, Record, ArmRecord], None]
Shared = dict[Hashable, FactTable]
"""By how they are measured, the facts of one arm."""
_MADE: WeakKeyDictionary[ArmRecord, Shared] = WeakKeyDictionary()


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


def shared_of(arm: ArmRecord) -> Shared:
    """All that was measured so far of an arm, to be handed to ``share``."""
    return _MADE.get(arm, {})


def share(arm: ArmRecord, made: Shared) -> None:
    """Take what another process measured of the same arm."""
    _MADE.setdefault(arm, {}).update(made)
