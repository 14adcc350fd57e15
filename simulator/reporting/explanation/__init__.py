"""The model's explanation, held to the facts."""
