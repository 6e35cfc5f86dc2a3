"""The page: draw a digit, see what the network makes of it, say whether it is right."""

from __future__ import annotations

import logging
import os
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from digits import picture, prediction_log, recogniser
from digits.explanation import explanation, percent
from digits.preprocessing import Unreadable
from digits.recogniser import Recognition
from digits.strokes import CANVAS, PEN
from shown import Prediction, Shown

HINTS = {
    Unreadable.EMPTY: "Draw one digit, 0 to 9, with your mouse or finger.",
    Unreadable.SMALL: "Draw it larger. It is too small to read.",
    Unreadable.LINE: "That is a flat line. Draw one digit, 0 to 9.",
    Unreadable.COVERED: "Too much ink to read. Clear the canvas and draw one digit.",
    Unreadable.SEVERAL: "One digit at a time, please. Clear the canvas and draw one digit.",
    Unreadable.NO_PICTURE: "The drawing did not arrive whole. Clear the canvas and draw one digit.",
    Unreadable.PROTECTED: (
        "Your browser does not let this page read the canvas."
        " Allow canvas access for this site (the icon beside the address), then draw again."
    ),
}
SAVED = "Saved, thank you. Draw another."
QUESTION = "Right? If not, which digit was it?"
NO_LABEL = "Type the digit first, then press Submit Correction."
NOT_A_DIGIT = "That is not a digit. Type one digit from 0 to 9, then press Submit Correction."
NOT_SAVED = (
    "Your answer could not be saved: the database does not answer. "
    "Your drawing is kept; press the button again in a moment."
)
CHANGED = (
    "Your answer was not saved: the page was renewed in the meantime. "
    "Look at the prediction, then press the button again."
)

# Below this confidence the digit is a guess, and is not shown as an answer.
GUESS = 0.5

# What canvas.js sends in place of a picture that the browser has made unreadable.
PROTECTED = b"protected"

# Where the page's source code is, if the image was built with it.
SOURCE = os.environ.get("SOURCE_URL", "")

# A prediction that the browser remembers from another session may be so old.
REMEMBERED = timedelta(days=1)


def main() -> None:
    """Show the page; Streamlit runs this after everything a visitor does."""
    st.set_page_config(page_title="Draw a digit")
    state = st.session_state
    # The gate reads it from the hidden input, since the canvas's name depends on it.
    seen = Shown.read(st.query_params.get("shown", ""))
    # A new number is a new, empty canvas or text input. A new session goes on with those that are
    # shown.
    state.setdefault("drawing", seen.drawing if seen else 0)
    state.setdefault("field", seen.field if seen else 0)
    state.setdefault("drawn", seen is not None and seen.digit is not None)
    state.setdefault("prediction", None)
    state.setdefault("message", "")
    state.setdefault("saved", False)  # the last answer, and nothing has been drawn since

    st.title("Draw a digit", anchor=False, text_alignment="center")
    with st.container(key="canvas", horizontal_alignment="center"):
        canvas = st_canvas(
            width=CANVAS,
            height=CANVAS,
            stroke_width=PEN,
            stroke_color="#ffffff",
            background_color="#000000",
            drawing_mode="freedraw",
            return_image_data=True,
            # Goes to Fabric.js, which then keeps strokes as finely as the display shows them;
            # canvas.js does the rest of it.
            initial_drawing={"objects": [], "enableRetinaScaling": True},
            key=f"canvas-{state.drawing}",
        )
        st.html(f"<script>{_beside('canvas.js')}</script>", unsafe_allow_javascript=True)
    prediction = _predict(canvas.image_bytes, seen)
    answer = prediction.answer if prediction else Unreadable.EMPTY
    # What was typed was about a drawing that is gone. A browser would send it all the same with
    # the next press if the text input were only emptied.
    if answer is Unreadable.EMPTY and state.drawn:
        state.field += 1
    state.drawn = answer is not Unreadable.EMPTY
    _show(answer)
    label = _ask(disabled=isinstance(answer, Unreadable))
    if label is None:
        if "pressed" in st.query_params and seen and seen.drawing == state.drawing:
            state.message = CHANGED  # a button of another version of the page
    elif _store(prediction, seen, label):
        st.rerun()
    with st.container(key="message"):
        st.html(f'<p role="alert">{state.message}</p>')
    _explain(prediction)
    _remember(prediction)


def _predict(png: bytes | None, seen: Shown | None) -> Prediction | None:
    """Return what the network makes of the canvas, asking it only about a new picture."""
    recogniser.load()  # with the empty page, so that the first drawing need not wait
    state = st.session_state
    if png is None:  # nothing has been drawn yet
        state.prediction = None
        return None
    state.saved = False
    digest = sha256(png).hexdigest()[:16]
    if state.prediction is None or state.prediction.digest != digest:
        answer, explained = _answer(png)
        now = datetime.now(UTC)
        made_at = _made_at(seen, digest, answer, now) or now
        state.prediction = Prediction(digest, made_at, answer, explained)
        state.message = ""
    prediction: Prediction = state.prediction
    return prediction


def _answer(png: bytes) -> tuple[Recognition | Unreadable, str]:
    """Return what the network makes of one picture, and its explanation if it is a digit."""
    if png == PROTECTED:
        return Unreadable.PROTECTED, ""
    rgba = picture.read(png, CANVAS)
    if rgba is None:
        return Unreadable.NO_PICTURE, ""
    answer = recogniser.recognise(rgba)
    return answer, "" if isinstance(answer, Unreadable) else explanation(rgba, answer)


def _made_at(
    seen: Shown | None, digest: str, answer: Recognition | Unreadable, now: datetime
) -> datetime | None:
    """Return when another session made this prediction, if the visitor sees it already.

    With the same time an answer that was stored, but never confirmed, is not stored twice.
    """
    if seen is None or seen.made_at is None or isinstance(answer, Unreadable):
        return None
    same = seen.digest == digest and seen.digit == answer.digit
    return seen.made_at if same and now - REMEMBERED < seen.made_at <= now else None


def _show(answer: Recognition | Unreadable) -> None:
    """Show the digit and the confidence, or what to do, in the same amount of space."""
    question = ""
    if isinstance(answer, Unreadable):
        hint = SAVED if st.session_state.saved else HINTS[answer]
        shown = f'<span class="hint">{hint}</span>'
    else:
        question = QUESTION
        shown = _prediction(answer)
    with st.container(key="prediction"):
        # canvas.js lets screen readers read it out.
        st.html(f'<p class="answer">{shown}</p><p class="question">{question}</p>')


def _prediction(answer: Recognition) -> str:
    """Return the digit and the confidence as HTML: no large digit for a guess."""
    if answer.confidence < GUESS:
        article = "an" if answer.digit == 8 else "a"
        return (
            f'<span class="guess">Not sure. Perhaps {article}'
            f' <b data-testid="digit">{answer.digit}</b>'
            f' (<span data-testid="confidence">{100 * answer.confidence:.0f} %</span>)</span>'
        )
    return (
        f'<span class="digit" data-testid="digit">{answer.digit}</span>'
        f'<span class="sure"><b data-testid="confidence">{percent(answer.confidence)}</b>'
        " confidence</span>"
    )


def _ask(*, disabled: bool) -> str | None:
    """Show the three feedback elements in one row, on a phone too.

    Return the label that was given, "correct" or what was typed, or None without a press.
    """
    with st.container(key="feedback", horizontal=True, vertical_alignment="center"):
        correct = st.button("Correct", key="correct", type="primary", disabled=disabled)
        # A form, so that the text travels with the press, and Enter is a press.
        with st.form("correction", border=False):  # noqa: SIM117 - two boxes, two lines
            with st.container(key="correction-row", horizontal=True, vertical_alignment="center"):
                typed = st.text_input(
                    "True digit",
                    key=f"label-{st.session_state.field}",
                    placeholder="0–9",
                    label_visibility="collapsed",
                    autocomplete="off",
                    disabled=disabled,
                )
                submitted = st.form_submit_button("Submit Correction", disabled=disabled)
    # Not by callbacks: Streamlit calls none for the first message of a session.
    if correct:
        return "correct"
    return typed.strip() if submitted else None


def _store(prediction: Prediction | None, seen: Shown | None, label: str) -> bool:
    """Log the answer and start over; if it cannot be stored, keep everything and say why.

    The second press of a double click is about a canvas that is gone, and logs nothing.
    """
    state = st.session_state
    answer = prediction.answer if prediction else None
    if seen and seen.drawing != state.drawing:
        return False
    if not (prediction and seen and isinstance(answer, Recognition) and answer.digit == seen.digit):
        state.message = CHANGED
        return False
    if label == "correct":
        true_label = answer.digit
    elif not label:
        state.message = NO_LABEL
        return False
    elif len(label) == 1 and label.isdecimal():  # the digits of any script
        true_label = int(label)
    else:
        state.message = NOT_A_DIGIT
        return False
    try:
        prediction_log.default().record(prediction.made_at, answer.digit, true_label)
    except prediction_log.LogUnavailable as error:
        logging.getLogger("digits").warning("an answer could not be saved: %s", error)
        state.message = NOT_SAVED
        return False
    state.drawing += 1
    state.prediction = None
    state.message = ""
    state.saved = True
    return True


def _explain(prediction: Prediction | None) -> None:
    """Show the curious what the network saw; tell everybody what becomes of an answer."""
    with st.container(key="about"):
        with st.expander("What the network sees"):
            st.html((prediction and prediction.explanation) or "Draw a digit first.")
        link = f" [Source code]({SOURCE})" if SOURCE else ""
        st.markdown(f"Answers are stored without a name.{link}", text_alignment="center")


def _remember(prediction: Prediction | None) -> None:
    """Let the browser keep what it shows, for the next session."""
    state = st.session_state
    shown = Shown(state.drawing, state.field)
    if prediction and isinstance(prediction.answer, Recognition):
        digit = prediction.answer.digit
        shown = Shown(state.drawing, state.field, digit, prediction.made_at, prediction.digest)
    state.shown = str(shown)
    with st.container(key="hidden"):
        st.text_input("What is shown", key="shown", label_visibility="collapsed")


@st.cache_resource
def _beside(name: str) -> str:
    """Return the text of a file in this folder."""
    return Path(__file__).with_name(name).read_text()


main()
