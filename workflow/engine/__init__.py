"""What the rules need from Python: a checked config, digests of code and contents, versions of tools.

Used by `rules/common.smk` and `rules/staleness.smk`. Nothing here is imported by a stage, and nothing here imports
Snakemake, but for `why`, the command that asks it. `schema_page` is a command too: it makes config/README.md.
"""
