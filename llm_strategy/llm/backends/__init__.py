"""One small file for each way to reach a model."""
