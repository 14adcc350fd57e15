"""Checklists of an experiment: what their items were worth, and a draft by a model."""
