"""Alerts of a watch: an outbox that outlives a kill, and channels of apprise that empty it."""
