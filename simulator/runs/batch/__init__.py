"""Questions handed in as files, and the answers that come back as files."""
