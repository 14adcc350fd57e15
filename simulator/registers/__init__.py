"""Append-only files of entries that nobody changes unseen: what the registers of hypotheses and of trials share."""
