"""What `portal run` says to the person at the terminal: little, aligned, once."""

from __future__ import annotations

import time

import click

NAME_WIDTH = 16


class Console:
    """Lines with the seconds since the start."""

    def __init__(self) -> None:
        self._began_at = time.monotonic()

    def ready(self, name: str, detail: str) -> None:
        """A part does its work."""
        self._line(name, "ready", detail, colour="green")

    def trouble(self, name: str, detail: str) -> None:
        """A part needs attention, or got it."""
        self._line(name, "trouble", detail, colour="yellow")

    def stopped(self, name: str) -> None:
        """A part has ended as it should."""
        self._line(name, "stopped", "", colour="blue")

    def say(self, text: str = "") -> None:
        """Anything else."""
        click.echo(text)

    def _line(self, name: str, state: str, detail: str, *, colour: str) -> None:
        seconds = f"{time.monotonic() - self._began_at:6.1f} s"
        click.echo(
            f"  {name:<{NAME_WIDTH}} {click.style(f'{state:<8}', fg=colour)} {seconds}  {detail}".rstrip()
        )
