"""What is to be run: the configuration and its starters."""
