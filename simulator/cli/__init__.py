"""The command line, ``btllm``."""
