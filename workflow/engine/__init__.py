"""What the rules need from Python: a checked config, digests of code and contents, versions of tools.

No stage imports it, and it imports no Snakemake. `schema_page` is a command, which makes config/README.md.
"""
