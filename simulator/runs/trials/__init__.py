"""What a run tells the ledger of trials, and is told by it."""
