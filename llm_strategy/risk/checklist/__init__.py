"""A checklist that the gate goes through before an entry: items that block, halve or flag it."""

from llm_strategy.risk.checklist.item import EFFECTS, LIMIT_PREFIX, Checklist, Effect, Firing, Item, Lookup, Preset

__all__ = ["EFFECTS", "LIMIT_PREFIX", "Checklist", "Effect", "Firing", "Item", "Lookup", "Preset"]
