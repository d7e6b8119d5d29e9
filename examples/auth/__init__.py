"""One small app per usual way of authenticating, each in one file with its policy beside it."""
