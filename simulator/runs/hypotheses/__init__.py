"""Hypotheses in a run: proposed from the first window of its closes, tested on the second, traded on the last."""
