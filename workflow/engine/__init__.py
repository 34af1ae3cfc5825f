"""What the rules need from Python: a checked config and digests of source code. Used by `rules/common.smk` alone.

Nothing here is imported by a stage, and nothing here imports Snakemake.
"""
