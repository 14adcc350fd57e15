"""What is to be run: the configuration and its starters; and the two arms that are no rules, by their names."""

LLM_ARM = "llm"
"""The arm that the model advises."""
RANDOM_ARM = "random"
"""The arm that does at random times what ``llm`` did."""
