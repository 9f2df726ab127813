"""Linux's side of the machine: the virtqueue driver and what runs on it. Imports `amp` only."""
