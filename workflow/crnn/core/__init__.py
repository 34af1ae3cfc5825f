"""What every room uses: errors for users, files and tables written whole, records, the command line, worker processes.

Not here: anything of words, models or devices.
"""
