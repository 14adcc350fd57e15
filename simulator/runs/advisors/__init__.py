"""Advisors in a run: what belongs to each, and those that a program gives as objects."""
