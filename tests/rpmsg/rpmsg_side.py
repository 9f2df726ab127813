"""The remote's process of a test with two. Not a test.

`rpmsg_side.py FD DOOR NUM INPUT OUTPUT START END EVENT_IDX ROLE`: the region, its ring size, where the rings and the
buffers are. Prints `ready` once its service "echo" is announced, and how it ended.
"""

from __future__ import annotations

import sys
import time

from amp.errors import LinkDown
from amp.port.doors import open_direct, open_modelled
from amp.port.port import REMOTE
from amp.region import Region
from amp.rpmsg import Bus, Endpoint, Message
from amp.virtio.sites import linux_choice
from amp.virtio.split import SplitLayout
from remoteside.rpmsg import DeviceLink, Rings


def echo(end: Endpoint, message: Message) -> None:
    end.sendto(message.data, message.source)


fd, door, num, base, output, start, end, event_idx, role = sys.argv[1:]
region = Region.from_fd(int(fd))
port = (open_direct if door == "direct" else open_modelled)(region, REMOTE, linux_choice(weak_barriers=False))
rings = Rings(
    SplitLayout(int(num), int(base)), SplitLayout(int(num), int(output)), (int(start), int(end)), bool(int(event_idx))
)
bus = Bus(port, DeviceLink(port, rings), clock=time.monotonic, binds_first_sender=True)
service = bus.create_endpoint("echo", echo)
print("ready", flush=True)
if role == "deaf":
    sys.stdin.read()
elif role == "parting":  # answers one message, and retires in good order
    bus.wait_until(lambda: bus.counts.received, 60)
    port.retire()
else:
    try:
        bus.serve()
    except LinkDown as error:
        print(type(error).__name__, flush=True)
