"""The memory between the two processors: one shared memory object, its carveouts, and the life cycle of its name.

`Layout.plan` says what goes where, `Region` makes, opens and ends the object. Nothing here orders an access (the port
does) or knows what the bytes mean.
"""

from amp.region.carveouts import PAGE_SIZE, Carveout, Layout
from amp.region.names import Creator
from amp.region.shm import Region

__all__ = ["PAGE_SIZE", "Carveout", "Creator", "Layout", "Region"]
