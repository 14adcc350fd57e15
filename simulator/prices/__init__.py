"""Prices: loaded, checked, cut into sessions and decision bars."""
