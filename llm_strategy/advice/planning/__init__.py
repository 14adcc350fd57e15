"""Plans: what a model chooses to look at before it advises, from a list of analytics that the program runs."""
