"""What is done with an experiment: run, compare, replay, estimate, report."""
