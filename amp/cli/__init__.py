"""The command line, and the composition root: only here, and in scenarios, are both sides named."""
