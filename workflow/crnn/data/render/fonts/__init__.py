"""Which fonts there are, and what each can draw."""
