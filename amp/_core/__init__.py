"""The C core. `core.h` is its interface; `_bridge` is what Python sees of it."""
