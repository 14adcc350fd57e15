"""A person's own strategy behind the gate."""
