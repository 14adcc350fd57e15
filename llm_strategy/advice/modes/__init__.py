"""Decision modes: how a model is brought from a question to an advice, a file for each way."""
