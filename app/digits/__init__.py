"""Recognise a handwritten digit, and log whether the answer was right."""
