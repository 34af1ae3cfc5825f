"""Words through a model: the scheduler, its sources, predictions, both clocks, the costs of single calls.

Not here: devices (`crnn.runtimes`), whether a text is right (`crnn.score`).
"""
