"""Models on this machine, by gpt4all or llama.cpp."""
