"""What every verb has: its settings, its errors, the terminal, and how other programs are run.

Imports nothing else of ops.
"""
