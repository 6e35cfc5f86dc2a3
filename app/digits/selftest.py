"""Does this container work? `python -m digits.selftest`, before visitors are sent to it.

Loads the weights, recognises a digit, and writes a row to the database that is taken back.
Exit status 0 only if all of it works; else one line says what does not.
"""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pickle import UnpicklingError

import numpy as np

from digits import prediction_log, recogniser, strokes
from digits.preprocessing import Unreadable

SEVEN = [[[80.0, 60.0], [200.0, 60.0], [130.0, 220.0]]]


def main() -> None:
    """Try both halves of the app."""
    drawing = strokes.draw([np.array(stroke) for stroke in SEVEN], pen=18)
    try:
        recognition = recogniser.recognise(drawing)
    except (OSError, RuntimeError, ValueError, KeyError, UnpicklingError) as error:
        sys.exit(f"No digit can be recognised: {type(error).__name__}: {error}")
    if isinstance(recognition, Unreadable):
        sys.exit(f"A plain 7 was taken for no digit: {recognition.name}.")
    if recognition.digit != 7:
        sys.exit(f"A plain 7 was taken for {recognition.digit}.")
    try:
        prediction_log.default().check(datetime.now(UTC), 7, 7)
    except prediction_log.LogUnavailable as error:
        sys.exit(f"The database does not take an answer: {error}")
    print("A digit was recognised, and the database takes answers.")


if __name__ == "__main__":
    main()
