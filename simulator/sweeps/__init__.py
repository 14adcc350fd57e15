"""One experiment over a grid of its settings and over windows of time, with each distinct question asked once."""
