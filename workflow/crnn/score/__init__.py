"""What texts are worth: accuracy, the audit from stage to stage, budgets, where a run reads badly.

Not here: reading words (`crnn.inference`), showing numbers (`crnn.report`).
"""
