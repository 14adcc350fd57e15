"""Hypotheses about what follows a market's condition: what one states, and the register that keeps them."""
