"""Compiled code as a part of a program: `amp.Code("ring.elf").function("send")`, and ELF files as programs of their
own.

What executes the code, and what knows its instructions, is loaded when it is first used (amp.code.emulator). Nothing
here runs a compiler.
"""
