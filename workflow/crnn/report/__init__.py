"""The report: a page, a JSON file and tables, from the files of the other stages and what others published."""
