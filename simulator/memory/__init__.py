"""The memory audit: whether the model of an advisor remembers what came after a date, rather than read the prices."""
