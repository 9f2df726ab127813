"""What a run leaves behind, and what it means: the trace, the pair of accesses to blame, the picture of both.

Everything here reads; nothing here touches the machine that it reports on.
"""
