"""Answers that must be JSON: forms, schemas, and text taken off around them."""
