"""Templates of every prompt."""
