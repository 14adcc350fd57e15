"""From an advice to orders in a backtrader strategy."""
