"""`python -m plugins.stripe.sandbox --port N`."""

from __future__ import annotations

import argparse
import ipaddress
import json
import socket
import sys
from pathlib import Path

from plugins.stripe.sandbox.keys import WORLDS


def main(arguments: list[str] | None = None) -> int:
    """Read the command line and serve, or print the keys."""
    options = _parser().parse_args(arguments)
    if options.keys:
        print(json.dumps([world.as_json() for world in WORLDS], indent=2))  # noqa: T201 - the answer
        return 0
    if options.port is None:
        return _refuse("Say which port to use, for example --port 8001.")
    if problem := _address_problem(options.host, options.port):
        return _refuse(problem)
    return _serve(options)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m plugins.stripe.sandbox", description="The Stripe sandbox."
    )
    parser.add_argument("--host", default="127.0.0.1", help="an address of this machine only")
    parser.add_argument("--port", type=int)
    parser.add_argument("--public-url", help="where browsers reach it, when that is not the port itself")
    parser.add_argument(
        "--state", type=Path, metavar="FILE", help="load the state from here and keep it here"
    )
    parser.add_argument(
        "--live-on-loopback",
        action="store_true",
        help="let the pretended live mode deliver to http addresses of this machine",
    )
    parser.add_argument("--keys", action="store_true", help="print the ready-made keys and end")
    parser.add_argument(
        "--shapes",
        choices=("strict", "record", "off"),
        default="strict",
        help="what happens when an answer contradicts the SDK's types (off: for benchmarks)",
    )
    return parser


def _serve(options: argparse.Namespace) -> int:
    # Imported late: `--keys` and wrong arguments answer without loading the SDK.
    from plugins.stripe.sandbox.sandbox import Sandbox  # noqa: PLC0415 - as above
    from plugins.stripe.sandbox.serving import serve  # noqa: PLC0415 - as above

    host = f"[{options.host}]" if ":" in options.host else options.host
    url = options.public_url or f"http://{host}:{options.port}"
    if options.state is not None and not options.state.parent.is_dir():
        return _refuse(f"The folder of the state file does not exist: {options.state.parent}")
    sandbox = Sandbox(url=url, shape_mode=options.shapes, live_on_loopback=options.live_on_loopback)
    serve(sandbox, options.host, options.port, state=options.state)
    return 0


def _address_problem(host: str, port: int) -> str | None:
    try:
        loopback = host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        loopback = False
    if not loopback:
        return (
            f"The Stripe sandbox serves this machine only; {host} is not a loopback address. Use 127.0.0.1."
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, OverflowError):
            return f"Port {port} of {host} is taken or may not be used. Choose another one with --port."
    return None


def _refuse(sentence: str) -> int:
    print(sentence, file=sys.stderr)  # noqa: T201 - the answer
    return 1


if __name__ == "__main__":
    sys.exit(main())
