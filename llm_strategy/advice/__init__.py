"""What a model or a rule proposes at a close, from the question to the advice."""
