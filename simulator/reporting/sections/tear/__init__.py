"""The tear sheet: what the account of a page did by month and year, over time, at its worst and trade by trade."""
