"""virtio's split ring as bytes in memory: where each field lies, and the arithmetic on its indexes. Layout only."""
