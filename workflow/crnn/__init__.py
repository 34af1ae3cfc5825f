"""The library behind the workflow: words in, tensors, models, texts, scores and reports out.

It knows nothing of Snakemake or of config files. The stages (`workflow/stages`) import it and it imports none of them.
Rooms import rooms below them: report and train, planning, inference, score, runtimes, model, data, core.
"""
