"""rpmsg: messages between endpoints of two processors, over two virtqueues. The part that both sides have in common.

`Bus` and `Endpoint` are what programs use, `Link` what each side brings (`hostside.rpmsg`, `remoteside.rpmsg`).
"""

from amp.rpmsg.bus import Bus
from amp.rpmsg.endpoint import Endpoint, Message, Outgoing, Received
from amp.rpmsg.link import Buffer, Link, Sent
from amp.rpmsg.names import Channel
from amp.rpmsg.wire import ADDR_ANY, NS_ADDR

__all__ = [
    "ADDR_ANY",
    "NS_ADDR",
    "Buffer",
    "Bus",
    "Channel",
    "Endpoint",
    "Link",
    "Message",
    "Outgoing",
    "Received",
    "Sent",
]
