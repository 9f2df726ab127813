"""The firmware's side of the machine: the virtqueue device and what runs on it. Imports `amp` only."""
