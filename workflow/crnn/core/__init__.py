"""What every room uses: errors for users, files and tables written whole, records, the command line, workers."""
