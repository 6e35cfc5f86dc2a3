// The canvas comes in a shadow root that page.css does not reach. Of its tools, keep those a
// visitor needs, undo and start again: below the drawing, always there, large enough for a
// finger (a phone has no pointer to hover with). Show it as large as page.css says (--side).
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
    .dc-container, .dc-container * { width: var(--side) !important; height: var(--side) !important; }
  `;

  // Give a canvas as many pixels as the display has where it stands. Fabric.js, which draws on
  // it, goes on in the units it knows (`side` of them), and the picture that it sends has those.
  const sides = new WeakMap();
  const ratio = devicePixelRatio; // Fabric.js looks at it once, too
  const sharpen = (canvas) => {
    const pixels = Math.round(canvas.clientWidth * devicePixelRatio);
    const before = Number(canvas.getAttribute("width"));
    if (!pixels || pixels === before) return;
    if (!sides.has(canvas)) sides.set(canvas, before);
    const side = sides.get(canvas);
    const drawn = document.createElement("canvas");
    drawn.width = drawn.height = before;
    drawn.getContext("2d").drawImage(canvas, 0, 0);
    canvas.setAttribute("width", pixels);
    canvas.setAttribute("height", pixels);
    const context = canvas.getContext("2d");
    context.drawImage(drawn, 0, 0, pixels, pixels);
    context.scale(pixels / side, pixels / side);
    // From the upper canvas's size Fabric.js tells where a finger is. It is to find its own.
    if (!canvas.matches(".upper-canvas")) return;
    for (const name of ["width", "height"])
      Object.defineProperty(canvas, name, {
        get: () => side * ratio,
        set: (value) => canvas.setAttribute(name, value),
        configurable: true,
      });
  };

  // Whatever comes or changes size, in the page or in a shadow root, is looked at once it is there.
  const page = document.querySelector("[data-testid=stMainBlockContainer]");
  const dress = () => {
    // Streamlit has no way to ask for a phone's number keys.
    document.querySelector(".st-key-label input")?.setAttribute("inputmode", "numeric");
    for (const { shadowRoot } of document.querySelectorAll(".st-key-canvas *")) {
      if (!shadowRoot) continue;
      if (!shadowRoot.querySelector("#tools")) {
        const sheet = document.createElement("style");
        sheet.id = "tools";
        sheet.textContent = style;
        shadowRoot.append(sheet);
        changes.observe(shadowRoot, { childList: true, subtree: true });
      }
      for (const canvas of shadowRoot.querySelectorAll(".canvas-container canvas")) {
        sizes.observe(canvas);
        sharpen(canvas);
      }
    }
  };
  const sizes = new ResizeObserver(dress);
  const changes = new MutationObserver(() => {
    dress();
    setTimeout(dress, 50); // a shadow root comes a moment after its element
    setTimeout(dress, 300);
  });
  changes.observe(page, { childList: true, subtree: true });
  addEventListener("resize", dress); // another zoom, or a window moved to another display
  dress();
})();
