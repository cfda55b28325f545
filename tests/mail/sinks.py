"""A mail server for tests: takes what it is given, answers what it is told to, and knows a little of SMTP."""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage


@dataclass
class Sink:
    """What arrived, and how it answers: `answers["RCPT"] = "550 No such user"`."""

    port: int = 0
    answers: dict[str, str] = field(default_factory=dict)
    auth: bool = False
    commands: list[str] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    hangs_up_after_data: bool = False
    silent: bool = False

    @property
    def messages(self) -> list[EmailMessage]:
        """What was accepted."""
        return [message_from_bytes(body, policy=policy.default) for body in self.bodies]

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One conversation."""
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            if self.silent:
                await reader.read()
            writer.write(b"220 sink\r\n")
            while line := (await reader.readline()).decode().strip():
                self.commands.append(line)
                if not await self._answer(line.split(":")[0].split()[0].upper(), line, reader, writer):
                    break
        writer.close()

    async def _answer(
        self, verb: str, line: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if told := self.answers.get(verb):
            writer.write(f"{told}\r\n".encode())
        elif verb == "EHLO":
            writer.write(b"250-sink\r\n" + (b"250-AUTH PLAIN\r\n" if self.auth else b"") + b"250 SIZE\r\n")
        elif verb == "AUTH":
            self.commands.append(base64.b64decode(line.rsplit(maxsplit=1)[-1]).decode())
            writer.write(b"235 Welcome\r\n")
        elif verb == "DATA":
            writer.write(b"354 Go on\r\n")
            body = await reader.readuntil(b"\r\n.\r\n")
            self.bodies.append(body[:-3].replace(b"\r\n..", b"\r\n."))
            writer.write(f"{self.answers.get('.', '250 Taken')}\r\n".encode())
            if self.hangs_up_after_data:
                await writer.drain()
                return False
        else:
            writer.write(b"221 Bye\r\n" if verb == "QUIT" else b"250 Fine\r\n")
        await writer.drain()
        return verb != "QUIT"


@contextlib.asynccontextmanager
async def open_sink() -> AsyncIterator[Sink]:
    """A sink on this machine, at a port of its own."""
    sink = Sink()
    server = await asyncio.start_server(sink.serve, "127.0.0.1", 0)
    sink.port = server.sockets[0].getsockname()[1]
    async with server:
        yield sink
