"""The host's process: `python -m hostside REGION_FD CONTROL_FD PARENT_PID`. Started by `amp`, not by hand."""

import sys

from amp.machine.side import serve
from amp.port.port import HOST
from hostside import exchange, scenarios, silicon

PROGRAMS = {"echo": exchange.echo, "stream": exchange.stream, **scenarios.PROGRAMS}

if __name__ == "__main__":
    sys.exit(serve(sys.argv[1:], HOST, PROGRAMS, {"silicon": silicon.driver}))
