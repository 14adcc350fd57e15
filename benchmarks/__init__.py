"""Speed and validity, printed as ratios within one run. Not part of the tests: machines differ, ratios hold."""
