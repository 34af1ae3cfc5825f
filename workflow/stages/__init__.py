"""One command per file, in a folder per step of the work. `workflow/stage.py` runs them by name."""
