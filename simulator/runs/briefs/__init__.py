"""Briefs of a market at a close."""
