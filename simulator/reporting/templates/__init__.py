"""The page and its style."""
