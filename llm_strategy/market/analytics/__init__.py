"""Analytics: what can be measured of a market's past at a close, each with its figures, words and cost."""
