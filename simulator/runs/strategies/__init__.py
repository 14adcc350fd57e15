"""Arms that trade without an advisor: a person's own strategy behind the gate, and the market itself."""
