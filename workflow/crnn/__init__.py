"""The library behind the workflow: words in, tensors, models, texts, scores and reports out.

Nothing below this package imports Snakemake or reads a config file. Imports point one way:
stages (`workflow/<stage>.py`) import this package, never the other way round, and only the modules
`network`, `checkpoint`, `export` and `targets.torch` import torch.
"""
