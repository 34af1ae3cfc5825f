"""What texts are worth: accuracy, the audit from stage to stage, budgets, error analysis.

Not here: reading words (`crnn.inference`), showing numbers (`crnn.report`).
"""
