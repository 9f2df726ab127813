"""Firmware to run, to read and to copy: each module is one, and builds as it stands (`amp firmware build MODULE`)."""
