"""Whether what a person brings knows what comes later: it is run again on histories that end earlier."""
