"""A summary of a market at a close: measured figures as facts, and the model's sentences that they back."""
