"""The page of a sweep: many configurations of one experiment beside each other."""
