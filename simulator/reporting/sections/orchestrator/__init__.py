"""What a model did beside advising: plans, a checklist and hypotheses."""
