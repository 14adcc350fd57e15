"""Where prices come from: files, samples, Yahoo, synthetic ones, DataFrames."""
