"""Questions side by side, deadlines, and native calls that cannot be stopped."""
