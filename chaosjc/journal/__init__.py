"""What happened: append-only events, the store that keeps them, and pure readers of both."""
