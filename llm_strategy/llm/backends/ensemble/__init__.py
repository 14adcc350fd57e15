"""Several models that vote."""
