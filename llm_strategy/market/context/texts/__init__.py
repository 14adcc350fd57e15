"""Dated texts: read into a corpus, ranked for a market, and masked."""
