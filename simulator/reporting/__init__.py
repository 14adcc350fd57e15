"""From a saved run folder to facts, words and a page."""
