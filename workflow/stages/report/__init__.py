"""Scores, audit, page, verdict."""
