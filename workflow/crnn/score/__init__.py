"""What texts are worth: accuracy, the audit from stage to stage, budgets, error analysis."""
