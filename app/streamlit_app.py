"""The page: draw a digit, see what the network makes of it, say whether it is right."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import streamlit as st
from streamlit_drawable_canvas import st_canvas

from digits import picture, prediction_log, recogniser
from digits.preprocessing import Unreadable
from digits.recogniser import Recognition
from digits.strokes import CANVAS, PEN

HINTS = {
    Unreadable.EMPTY: "Draw one digit, 0 to 9, with your mouse or finger.",
    Unreadable.DOT: "Only a dot so far. Draw a whole digit, 0 to 9.",
    Unreadable.COVERED: "Too much ink to read. Clear the canvas and draw one digit.",
    Unreadable.SEVERAL: "One digit at a time, please. Clear the canvas and draw one digit.",
    Unreadable.NO_PICTURE: "The drawing did not arrive whole. Clear the canvas and draw one digit.",
}
NOT_A_DIGIT = "That is not a digit. Type one digit from 0 to 9, then press Submit Correction."
NOT_SAVED = (
    "Your answer could not be saved: the database does not answer. "
    "Your drawing is kept; press the button again in a moment."
)


@dataclass(frozen=True)
class Prediction:
    """What was made of the picture on the canvas, and when."""

    digest: bytes  # of the picture, to know it again
    made_at: datetime
    answer: Recognition | Unreadable


def main() -> None:
    """Show the page; Streamlit runs this anew after everything a visitor does."""
    st.set_page_config(page_title="Draw a digit", page_icon="✏️")
    st.html(f"<style>{_beside('page.css')}</style>")
    state = st.session_state
    state.setdefault("drawing", 0)  # a new number is a new, empty canvas
    state.setdefault("prediction", None)
    state.setdefault("message", "")

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
    prediction = _predict(canvas.image_bytes)
    answer = prediction.answer if prediction else Unreadable.EMPTY
    _show(answer)
    _ask(disabled=isinstance(answer, Unreadable))
    with st.container(key="message"):
        st.html(f'<p role="alert">{state.message}</p>')


def _predict(png: bytes | None) -> Prediction | None:
    """Return what the network makes of the canvas, asking it only about a new picture."""
    recogniser.load()  # with the empty page, so that the first drawing need not wait
    state = st.session_state
    if png is None:  # nothing has been drawn yet
        state.prediction = None
        return None
    digest = sha256(png).digest()
    if state.prediction is None or state.prediction.digest != digest:
        rgba = picture.read(png, CANVAS)
        state.prediction = Prediction(
            digest,
            datetime.now(UTC),
            Unreadable.NO_PICTURE if rgba is None else recogniser.recognise(rgba),
        )
        state.message = ""
    prediction: Prediction = state.prediction
    return prediction


def _show(answer: Recognition | Unreadable) -> None:
    """Show the digit and the confidence, or what to do, in the same amount of space."""
    if isinstance(answer, Unreadable):
        shown = f'<span class="hint">{HINTS[answer]}</span>'
    else:
        sure = min(answer.confidence, 0.999)  # 100.0% would promise what nobody can
        shown = (
            f'<span class="digit" data-testid="digit">{answer.digit}</span>'
            f'<span class="sure"><b data-testid="confidence">{sure:.1%}</b>'
            " confidence</span>"
        )
    with st.container(key="prediction"):
        st.html(f'<div role="status" aria-live="polite">{shown}</div>')


def _ask(*, disabled: bool) -> None:
    """Show the three feedback elements in one row, on a phone too."""
    with st.container(key="feedback", horizontal=True, vertical_alignment="center"):
        st.button("Correct", key="correct", on_click=_correct, disabled=disabled)
        # A form, so that the text travels with the press, and Enter is a press.
        with st.form("correction", border=False):  # noqa: SIM117 - two boxes, two lines
            with st.container(key="correction-row", horizontal=True, vertical_alignment="center"):
                st.text_input(
                    "True digit",
                    key="label",
                    placeholder="0–9",
                    label_visibility="collapsed",
                    autocomplete="off",
                    disabled=disabled,
                )
                st.form_submit_button(
                    "Submit Correction", on_click=_submit_correction, disabled=disabled
                )


def _correct() -> None:
    """Log that the prediction was right."""
    prediction = st.session_state.prediction
    if prediction is not None and isinstance(prediction.answer, Recognition):
        _log(prediction.made_at, prediction.answer.digit, prediction.answer.digit)


def _submit_correction() -> None:
    """Log the digit that was typed, if it is one."""
    prediction = st.session_state.prediction
    typed = str(st.session_state.get("label", "")).strip()
    if prediction is None or isinstance(prediction.answer, Unreadable):
        return
    # str.isdigit would let in other scripts' digits.
    if len(typed) != 1 or typed not in "0123456789":
        st.session_state.message = NOT_A_DIGIT
        return
    _log(prediction.made_at, prediction.answer.digit, int(typed))


def _log(made_at: datetime, predicted: int, true_label: int) -> None:
    """Store the answer and start over; if it cannot be stored, keep everything and say so.

    A second press of a double click finds no prediction and logs nothing.
    """
    state = st.session_state
    try:
        prediction_log.default().record(made_at, predicted, true_label)
    except prediction_log.LogUnavailable as error:
        logging.getLogger("digits").warning("an answer could not be saved: %s", error)
        state.message = NOT_SAVED
        return
    state.drawing += 1
    state.label = ""
    state.prediction = None
    state.message = ""


@st.cache_resource
def _beside(name: str) -> str:
    """Return the text of a file in this folder."""
    return Path(__file__).with_name(name).read_text()


main()
