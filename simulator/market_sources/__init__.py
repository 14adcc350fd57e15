"""Where prices come from, one module a kind of source. The public door is ``simulator.market``."""
