"""What every room uses: errors for users, files written whole, records, the command line, worker processes.

Not here: anything of words, models or devices.
"""
