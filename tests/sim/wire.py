# SPDX-License-Identifier: MIT
"""Rude endings of connections, for the simulators' HTTP and TCP servers."""

import asyncio
import socket
import struct

from aiohttp import web


def reset(transport):
    """End a connection with RST instead of FIN (SO_LINGER with time 0)."""
    if transport.is_closing():
        return
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


async def until_gone(transport):
    """Wait until the other side has closed, or we have."""
    while not transport.is_closing():
        await asyncio.sleep(0.05)


class NoAnswer(web.Response):
    """Returned by a handler that has dealt with the connection itself.

    aiohttp then writes nothing, and logs nothing either.
    """

    async def prepare(self, request):
        raise ConnectionResetError
