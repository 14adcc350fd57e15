"""Every figure that a page may show, by id."""
