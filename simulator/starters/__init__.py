"""Commented starter files, written by ``btllm init``; the demo runs the experiment as it stands."""
