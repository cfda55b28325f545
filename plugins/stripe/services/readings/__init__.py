"""From what Stripe's objects say to the portal's facts, one module for each kind of object."""
