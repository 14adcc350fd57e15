"""What the results say, and what they cannot."""
