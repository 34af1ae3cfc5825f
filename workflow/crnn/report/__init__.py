"""The report: a page, a JSON file and tables, from the files of the other stages.

It reads results and shows them. It scores, times and runs nothing, and holds no number: published figures come from a
file that names their sources.
"""
