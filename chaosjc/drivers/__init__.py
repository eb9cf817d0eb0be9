"""Thin typed clients, no policy."""
