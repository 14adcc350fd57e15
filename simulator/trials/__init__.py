"""The user's ledger of trials: every evaluated run, so that the best of many is known for what it is."""
