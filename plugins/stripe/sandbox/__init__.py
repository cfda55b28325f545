"""A stateful simulator of Stripe's HTTP API for tests, benchmarks and a newcomer's first try.

Run it with `python -m plugins.stripe.sandbox --port 8001`. Production code never imports it.
"""
