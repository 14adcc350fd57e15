"""Adapters for a local model: data from runs and synthetic paths, training, and what is made of it judged."""
