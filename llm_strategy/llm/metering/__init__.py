"""What questions cost: the audit log and the budget."""
