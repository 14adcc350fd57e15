"""Pages of the documentation that are written from the code, and the tree that a site is built of: ``make docs``."""
