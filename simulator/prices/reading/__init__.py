"""Tables that others wrote, read as prices: rows, columns, times, numbers."""
