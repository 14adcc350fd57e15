"""What trading costs: commission, spread, slippage and carry."""
