"""An AMP machine in software: the memory, the vrings and the doorbells between two processors, and how they reorder.

`amp` is the SoC and knows no side; `hostside` is Linux, `remoteside` is the firmware.
"""

__version__ = "0.1.0"
