"""Firmware as a file: the resource table's wire format, ELF images, and how both are made from a Python module.

Role neutral: the host's loader and the firmware's runtime read the same records. Nothing here boots anything, and
nothing here touches shared memory.
"""
