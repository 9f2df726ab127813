"""`amp check`: the gate of a project in its CI. What amp.toml asks for is explored in parallel, and compared with it.

A verdict is kept by the content of all that it depends on, so that what has not changed is not explored again
(amp.check.cache). Nothing here prints: amp.cli.check does.
"""
