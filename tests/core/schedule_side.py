"""One CPU of a test with two processes: `schedule_side.py FD CPU`. Not a test; `schedule_machine.py` starts it.

FD is the memory of a machine. A line of standard input is a program in the words of `model_machine`, and of these:
    use:r0          take the value of a bulk load now       drop:r0     drop it unread
    r0=bulk:A,N     bulk load of N bytes at address A       bulk:A,N=B  bulk store of N bytes, the first of which is B
    spin:x=1        poll x until it is 1                    r0=woken    wait, with no limit
The answer is one line of JSON: the registers, and the exception that ended the program.
"""

from __future__ import annotations

import json
import mmap
import os
import sys
from contextlib import suppress
from typing import Any

from model_machine import LOCATIONS, ROOM, parse

from amp._core._bridge import LazyBytes, ModelledPort
from amp.errors import AmpError, ScheduleMismatch


def execute(port: ModelledPort, word: str, registers: dict[str, Any]) -> bool:
    """False: the program ends here."""
    left, _, right = word.partition("=")
    verb, _, rest = left.partition(":")
    if verb == "use":
        registers[rest] = number(registers[rest])
    elif verb == "drop":
        del registers[rest]
    elif verb == "spin":
        address, _ = LOCATIONS[rest]
        while port.load_u32(address) != int(right):
            pass
    elif verb == "bulk":
        address, length = (int(text, 0) for text in rest.split(","))
        port.write(address, bytes((int(right) + i) & 255 for i in range(length)))
    elif right.startswith("bulk:"):
        address, length = (int(text, 0) for text in right.removeprefix("bulk:").split(","))
        registers[left] = port.read(address, length)
    elif right == "woken":
        registers[left] = port.wait()
    else:
        return parse(word)[0](port, registers) is not False
    return True


def number(value: Any) -> int:
    return int.from_bytes(value, "little") if isinstance(value, LazyBytes) else int(value)


def run(port: ModelledPort, program: str) -> dict[str, Any]:
    registers: dict[str, Any] = {}
    ended: dict[str, Any] = {}
    try:
        for word in program.split():
            if word != "none" and not execute(port, word, registers):
                break
        for name in list(registers):
            registers[name] = number(registers[name])
    except AmpError as error:
        ended = {"error": type(error).__name__, "text": str(error), "number": getattr(error, "number", None)}
    with suppress(ScheduleMismatch):
        port.retire()
    values = {name: value for name, value in registers.items() if not isinstance(value, LazyBytes)}
    return {"registers": {name: int(value) for name, value in values.items()}, **ended}


if __name__ == "__main__":
    fd, cpu = int(sys.argv[1]), int(sys.argv[2])
    memory = mmap.mmap(fd, os.fstat(fd).st_size)
    for line in sys.stdin:
        answer = run(ModelledPort(memory, ROOM, cpu, bytes(range(32))), line)
        print(json.dumps(answer), flush=True)
