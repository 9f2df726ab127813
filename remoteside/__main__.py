"""The remote's process: `python -m remoteside REGION_FD CONTROL_FD PARENT_PID`. Started by `amp`, not by hand."""

import sys

from amp.machine.side import serve
from amp.port.port import REMOTE
from remoteside import exchange, scenarios, silicon

PROGRAMS = {"echo": exchange.echo, "stream": exchange.echo, **scenarios.PROGRAMS}

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], REMOTE, PROGRAMS, {"silicon": silicon.device}))
