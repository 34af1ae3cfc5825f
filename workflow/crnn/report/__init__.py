"""The report: from the files that the other stages left, to one page, one JSON and two CSV files.

Everything here reads results and shows them. Nothing here scores, times or runs a model, and no number is typed in
by hand: published figures come from a file that names their sources.
"""
