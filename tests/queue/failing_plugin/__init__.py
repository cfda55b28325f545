"""A plugin whose actors cannot be imported; the worker must run without them."""
