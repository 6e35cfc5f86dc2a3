// The canvas comes in a shadow root that page.css does not reach. Of its tools, keep those a
// visitor needs, undo and start again: below the drawing, always there, large enough for a
// finger (a phone has no pointer to hover with).
(() => {
  const style = `
    .dc-root > .dc-toolbar { position: static; opacity: 1; padding: 0; justify-content: center; }
    .dc-root .dc-toolbar-card { background: none; box-shadow: none; gap: 0.75rem; padding: 0.25rem 0 0; }
    .dc-root .dc-icon-button { min-width: 2.75rem; min-height: 2.5rem; }
    .dc-root .dc-icon-button svg { width: 1.2rem; height: 1.2rem; }
    .dc-root .dc-icon-button:focus-visible { outline: 2px solid var(--st-primary-color); }
    .dc-root .dc-toolbar-separator,
    .dc-root .dc-icon-button:not([aria-label="Undo"], [aria-label^="Reset"]) { display: none; }
    .dc-root canvas { border-radius: 0.6rem; }
  `;
  const box = document.querySelector(".st-key-canvas");
  const dress = () => {
    for (const { shadowRoot } of box.querySelectorAll("*")) {
      if (!shadowRoot || shadowRoot.querySelector("#tools")) continue;
      const sheet = document.createElement("style");
      sheet.id = "tools";
      sheet.textContent = style;
      shadowRoot.append(sheet);
    }
  };
  dress();
  // A cleared canvas is a new one, and its shadow root comes a moment after it.
  new MutationObserver(() => {
    dress();
    setTimeout(dress, 50);
    setTimeout(dress, 300);
  }).observe(box, { childList: true, subtree: true });
})();
