"""The machine that a run needs: what both sides are told, where everything lies, how a side's process is served.

Knows no side: `amp.lab` builds a machine and starts a process for each part.
"""
