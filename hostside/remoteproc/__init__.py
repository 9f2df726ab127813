"""remoteproc, Linux's part: the life cycle of one remote core, its memory, its resource table, its virtio devices."""
