"""The deployed page from outside: its URL, its certificate, and the smoke test."""
