"""The machine that a run needs: what both sides are told, where everything lies, how a side's process is served.

Knows no side: `amp.cli` builds a machine and starts the two processes, each of which serves its own programs here.
"""
