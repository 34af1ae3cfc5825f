"""From a text to letters: which words there are, how they are set."""
