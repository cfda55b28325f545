"""Everything of a kind from Stripe, a page at a time: for backfill, resync and the nightly comparison."""
