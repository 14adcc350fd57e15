"""What two finished runs differ by, in facts and as a page."""
