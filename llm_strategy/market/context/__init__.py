"""What a model may be shown beside the line of features: sources of context, each a pure function of the past."""
