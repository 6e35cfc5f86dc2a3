"""Draw docs/deployment.mmd, for light and for dark pages: `make pictures`.

Mermaid comes from the npm registry, into .cache/.
"""

from __future__ import annotations

import subprocess
import tarfile
from pathlib import Path

from ops.console.programs import need
from tests.conftest import chromium

DOCS = Path(__file__).resolve().parents[2] / "docs"
VERSION = "11.17.2"  # of Mermaid
INSIDE = "package/dist/mermaid.min.js"
FONT = "system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif"
# Blue for what is yours, on the two backgrounds that GitHub shows pictures on.
LOOKS = {
    "deployment.png": {
        "background": "#ffffff", "mainBkg": "#eef4ff", "primaryTextColor": "#111827",
        "nodeBorder": "#3b6fd8", "clusterBkg": "#ffffff", "clusterBorder": "#94a3b8",
        "lineColor": "#475569", "edgeLabelBackground": "#ffffff", "titleColor": "#111827",
    },
    "deployment-dark.png": {
        "background": "#0d1117", "mainBkg": "#17233c", "primaryTextColor": "#f1f5f9",
        "nodeBorder": "#7aa2f7", "clusterBkg": "#0d1117", "clusterBorder": "#64748b",
        "lineColor": "#a7b3c5", "edgeLabelBackground": "#0d1117", "titleColor": "#f1f5f9",
    },
}  # fmt: skip


def mermaid_here() -> Path:
    """Where mermaid.min.js is, once it has been fetched."""
    folder = DOCS.parent / f".cache/mermaid-{VERSION}"
    if not (folder / INSIDE).exists():
        need("npm")
        folder.mkdir(parents=True, exist_ok=True)
        where = ("--pack-destination", folder)
        subprocess.run(["npm", "pack", "--silent", *where, f"mermaid@{VERSION}"], check=True)
        with tarfile.open(folder / f"mermaid-{VERSION}.tgz") as package:
            package.extract(INSIDE, folder, filter="data")
    return folder / INSIDE


def main(mermaid: Path) -> None:
    """Write one picture for each of LOOKS; `mermaid` is mermaid.min.js."""
    text = (DOCS / "deployment.mmd").read_text()
    with chromium() as browser:
        for name, colours in LOOKS.items():
            page = browser.new_page(device_scale_factor=2)
            page.set_content(f"<body style='margin:0;background:{colours['background']}'>")
            page.add_script_tag(path=mermaid)
            settings = {
                "theme": "base",
                "themeVariables": colours | {"fontFamily": FONT, "fontSize": "15px"},
                "flowchart": {
                    "padding": 12, "nodeSpacing": 40, "rankSpacing": 40, "wrappingWidth": 320,
                    "subGraphTitleMargin": {"top": 6, "bottom": 12},
                },
            }  # fmt: skip
            page.evaluate(
                """async ([text, settings]) => {
                    mermaid.initialize({ startOnLoad: false, ...settings });
                    const { svg } = await mermaid.render("diagram", text);
                    document.body.innerHTML = `<main style="display:inline-block;padding:12px">`
                        + svg + `</main>`;
                    const drawn = document.querySelector("svg");
                    const box = drawn.viewBox.baseVal;
                    drawn.style.maxWidth = "none";
                    drawn.setAttribute("width", box.width);
                    drawn.setAttribute("height", box.height);
                }""",
                [text, settings],
            )
            page.locator("main").screenshot(path=DOCS / name)
            page.close()
            print(f"Wrote docs/{name}")


if __name__ == "__main__":
    main(mermaid_here())
