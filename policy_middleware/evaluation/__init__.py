"""How a request context is decided by documents. Pure functions: no I/O, no clock."""
