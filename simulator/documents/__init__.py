"""Dated texts made ready: news feeds, filings and tables of others become the strict JSONL that the source of context
``documents`` reads."""
