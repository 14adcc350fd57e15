"""What can be known of a market at a close."""
