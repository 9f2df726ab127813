"""Measurements of this machine: the ring, its barriers, the model. Knows no side; nothing below imports it."""
