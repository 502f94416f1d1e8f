"""Take the pictures in this directory from a run of the demonstration: the tmux session, and the pull request.

Needs tmux and chromium. In the project's environment, from its root: python docs/pictures/take.py
"""

import html
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

HERE = Path(__file__).parent
BROWSER = ("chromium", "chromium-browser", "google-chrome")
PAGE_WIDTH = 1180
LINES = 41  # of the session: from the first edit on
# The sixteen colours of a terminal, on a dark ground.
COLOURS = ["#2e3436", "#f2777a", "#99cc99", "#ffcc66", "#6699cc", "#cc99cc", "#66cccc", "#d3d0c8"]
BRIGHT = ["#747369", "#ff8f92", "#b5e0b5", "#ffd98c", "#8ab4e0", "#dcb3dc", "#8ae0e0", "#ffffff"]


def main() -> None:
    """Run the demonstration, look at it while it works, and photograph what it leaves."""
    argv = [sys.executable, "-u", "-m", "app", "demo"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, cwd=HERE.parents[1]) as demo:
        try:
            pane, address = watch(demo)
            lines = pane.rstrip().split("\n")[-LINES:]
            photograph(terminal("\n".join(lines)), HERE / "session.png", 32 + 18 * len(lines))
            photograph(address, HERE / "pull-request.png", 1420)
        finally:
            demo.send_signal(signal.SIGINT)  # as Ctrl-C would: it removes everything it made


def watch(demo: subprocess.Popen[str]) -> tuple[str, str]:
    """The session as it looked when the work was committed, and the address of the pull request."""
    pane = ""
    for line in demo.stdout or ():
        if found := re.search(r"CCO_HOME=(\S+)", line):
            socket = Path(found[1]) / "tmux.sock"
        if "git commit" in line:
            time.sleep(1.5)  # what the commit answers is to be seen as well; nothing depends on it
            argv = ["tmux", "-S", str(socket), "capture-pane", "-e", "-p", "-t", "=r1:"]
            pane = subprocess.run(argv, capture_output=True, check=True, text=True).stdout
        if line.startswith("  pull request"):
            return pane, line.split()[-1]
    sys.exit("the demonstration ended before there was a pull request")


def terminal(pane: str) -> str:
    """A page that looks as the pane does; gives its address."""
    page = (
        "<!doctype html><meta charset=utf-8><style>body{margin:0;background:#1e1e1e}pre{margin:0;padding:16px 20px;"
        "color:#d3d0c8;font:14px/18px 'DejaVu Sans Mono',monospace}</style><pre>" + "".join(spans(pane)) + "</pre>"
    )
    path = Path(tempfile.mkdtemp()) / "pane.html"
    path.write_text(page, "utf-8")
    return path.as_uri()


def spans(pane: str) -> Iterator[str]:
    """The text between escape sequences, each piece in its colours."""
    style: dict[str, str] = {}
    for number, piece in enumerate(re.split(r"\x1b\[([\d;:]*)m", pane)):
        if number % 2 == 0:
            css = ";".join(f"{name}:{value}" for name, value in style.items())
            yield f'<span style="{css}">{html.escape(piece)}</span>'
        else:
            change(style, [int(code) for code in re.findall(r"\d+", piece or "0")])


def change(style: dict[str, str], codes: list[int]) -> None:
    """What one SGR sequence does, as far as the transcript uses them."""
    for code in codes or [0]:
        match code:
            case 0:
                style.clear()
            case 1:
                style["font-weight"] = "bold"
            case 2:
                style["opacity"] = ".65"
            case 3:
                style["font-style"] = "italic"
            case _ if 30 <= code <= 37:
                style["color"] = COLOURS[code - 30]
            case _ if 90 <= code <= 97:
                style["color"] = BRIGHT[code - 90]
            case 39:
                style.pop("color", None)
            case _ if 40 <= code <= 47:
                style["background"] = COLOURS[code - 40]


def photograph(address: str, picture: Path, height: int) -> None:
    """What a browser shows at the address."""
    browser = next(found for name in BROWSER if (found := shutil.which(name)))
    argv = [browser, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--virtual-time-budget=3000"]
    size = f"--window-size={PAGE_WIDTH},{height}"
    subprocess.run([*argv, size, f"--screenshot={picture}", address], check=True, capture_output=True, timeout=60)


if __name__ == "__main__":
    main()
