// The canvas comes in a shadow root that page.css does not reach. Of its tools, keep those a
// visitor needs, undo and start again: below the drawing, always there, large enough for a
// finger (a phone has no pointer to hover with). Show it as large as page.css says (--side).
(() => {
  const style = `
    .dc-root > .dc-toolbar { position: static; opacity: 1; padding: 0; justify-content: center; }
    .dc-root .dc-toolbar-card { background: none; box-shadow: none; gap: 0.75rem; padding: 0.25rem 0 0; }
    .dc-root .dc-icon-button { min-width: 2.75rem; min-height: 2.5rem; padding: 0 0.75rem; gap: 0.4rem; font: inherit; }
    .dc-root .dc-icon-button svg { width: 1.2rem; height: 1.2rem; }
    .dc-root .dc-icon-button:focus-visible { outline: 2px solid var(--st-primary-color); }
    .dc-root .dc-toolbar-separator,
    .dc-root .dc-icon-button:not([aria-label="Undo"], [aria-label="Clear"]) { display: none; }
    .dc-root canvas { border-radius: 0.6rem; }
    .dc-root canvas:focus { outline: none; }
    .dc-root canvas:focus-visible { box-shadow: 0 0 0 3px var(--st-primary-color); }
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

  // One pointer draws a stroke: the first that comes, or a pen, which goes before a finger or a
  // palm. Fabric.js mixes up fingers, and does not hear of a button that is released over
  // something disabled. So it gets one mouse, and what that mouse does is decided here.
  const guide = (shadowRoot) => {
    let owner = null; // the pointer that draws, and the canvas it draws on
    let held = null; // what Fabric.js hears a moment later, if it is busy
    const tell = (type, { clientX, clientY }, target) => {
      const place = { clientX, clientY, bubbles: true, composed: true, view: window };
      const send = () => target.dispatchEvent(new MouseEvent(type, place));
      if (held) held.push(send);
      else send();
    };
    // Take the last stroke away, which is drawn again from what is left.
    const undo = () => {
      held = [];
      queueMicrotask(() => shadowRoot.querySelector('[aria-label="Undo"]')?.click());
      setTimeout(() => {
        const late = held;
        held = null;
        for (const send of late) send();
      }, 100);
    };
    // The canvas sends a drawing 200 ms after a stroke, and so do quick strokes go as one. After a
    // pause its own tool for that, which page and visitor do not see, sends it at once.
    let sentAt = 0;
    const send = () => {
      if (performance.now() - sentAt < 400) return;
      sentAt = performance.now();
      shadowRoot.querySelector('[aria-label^="Update the app"]')?.click();
    };
    const end = (event) => {
      const { canvas } = owner;
      owner = null;
      tell("mouseup", event, canvas.isConnected ? canvas : document);
      setTimeout(send); // when Fabric.js has the stroke
    };
    const on = (type, listener) =>
      shadowRoot.addEventListener(
        type,
        (event) => event.target.matches?.(".upper-canvas") && listener(event),
        { capture: true, passive: false },
      );
    on("pointerdown", (event) => {
      event.preventDefault(); // no mouse events beside these
      if (owner && !owner.canvas.isConnected) owner = null; // its canvas was cleared
      const pen = event.pointerType === "pen";
      if (owner && pen && owner.type === "touch") {
        end(event); // a palm came before the pen
        undo();
      }
      if (owner || event.button !== 0) return;
      owner = { id: event.pointerId, type: event.pointerType, canvas: event.target };
      event.target.setPointerCapture(event.pointerId); // its end arrives, wherever that is
      tell("mousedown", event, event.target);
    });
    on("pointermove", (event) => {
      if (event.pointerId !== owner?.id) return;
      if (event.buttons & 1) tell("mousemove", event, event.target);
      else end(event); // it was released without an event
    });
    for (const type of ["pointerup", "pointercancel", "lostpointercapture"])
      on(type, (event) => event.pointerId === owner?.id && end(event));
    for (const type of ["touchstart", "touchmove"])
      on(type, (event) => {
        event.stopImmediatePropagation();
        if (event.cancelable) event.preventDefault(); // nothing scrolls, nothing zooms
      });
    for (const type of ["mousedown", "mouseup"])
      on(type, (event) => event.isTrusted && event.stopImmediatePropagation());
  };

  // Some browsers protect their users from being recognised by how they draw: the page then reads
  // random, white or repeated pixels instead of the drawing. Read known ones back, and send a word
  // in place of such a picture. A little noise does no harm.
  const NOISE = 8; // of 255
  const known = Array.from({ length: 64 }, (_, n) => [(n * 37) % 256, (n * 91) % 256, (n * 151) % 256]);
  const isProtected = () => {
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [known.length, 1];
    const context = canvas.getContext("2d", { willReadFrequently: true });
    known.forEach((colour, x) => {
      context.fillStyle = `rgb(${colour})`;
      context.fillRect(x, 0, 1, 1);
    });
    const { data } = context.getImageData(0, 0, known.length, 1);
    return known.some((colour, x) => colour.some((c, n) => Math.abs(data[4 * x + n] - c) > NOISE));
  };
  if (!window.readsKnownPixels) {
    window.readsKnownPixels = true;
    const { toDataURL } = HTMLCanvasElement.prototype;
    HTMLCanvasElement.prototype.toDataURL = function (...options) {
      return isProtected()
        ? `data:image/png;base64,${btoa("protected")}`
        : toDataURL.apply(this, options);
    };
  }

  const NAMES = { "Undo": "Undo", "Reset canvas & history": "Clear" };
  const rename = (tool) => {
    const name = NAMES[tool.title];
    if (!name || tool.textContent) return;
    tool.ariaLabel = tool.title = name;
    tool.append(name);
  };

  // A new canvas comes after an answer. The pressed button is disabled then, and the keyboard's
  // focus would be nowhere.
  const introduce = (canvas) => {
    if (canvas.role) return;
    canvas.role = "img";
    canvas.ariaLabel = "Drawing area";
    canvas.tabIndex = -1;
    if (window.hasDrawingArea) canvas.focus({ preventScroll: true });
    window.hasDrawingArea = true;
  };

  // Whatever comes or changes size, in the page or in a shadow root, is looked at once it is there.
  const page = document.querySelector("[data-testid=stMainBlockContainer]");
  const dress = () => {
    // Streamlit has no way to ask for a phone's number keys.
    document.querySelector('[class*="st-key-label-"] input')?.setAttribute("inputmode", "numeric");
    // Streamlit replaces all that it contains. Screen readers read out only what changes in an
    // element that stays.
    document.querySelector(".st-key-prediction")?.setAttribute("role", "status");
    for (const { shadowRoot } of document.querySelectorAll(".st-key-canvas *")) {
      if (!shadowRoot) continue;
      if (!shadowRoot.querySelector("#tools")) {
        const sheet = document.createElement("style");
        sheet.id = "tools";
        sheet.textContent = style;
        shadowRoot.append(sheet);
        guide(shadowRoot);
        changes.observe(shadowRoot, { childList: true, subtree: true });
      }
      for (const tool of shadowRoot.querySelectorAll(".dc-icon-button")) rename(tool);
      for (const canvas of shadowRoot.querySelectorAll(".canvas-container canvas")) {
        sizes.observe(canvas);
        sharpen(canvas);
        if (canvas.matches(".upper-canvas")) introduce(canvas);
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
  // Streamlit's dialog about a lost connection would keep the page from being used; page.css says
  // the same in a sentence.
  new MutationObserver(() =>
    document.querySelector('[data-testid="stDialog"] button[aria-label="Close"]')?.click(),
  ).observe(document.body, { childList: true });
  addEventListener("resize", dress); // another zoom, or a window moved to another display
  dress();
})();
