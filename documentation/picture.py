"""``python -m documentation.picture PAGE PNG``: the first screen of a report as a small picture (Chromium)."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

SIZE = (1280, 800)
"""Of the window, in pixels."""
COLOURS = 64
"""Of the picture: a page of text and lines needs no more."""
LARGEST = 150_000
"""Bytes of the picture."""


def take(page: Path, picture: Path) -> None:
    """Write the picture; ends the program in a sentence where there is no Chromium, or where it becomes too large."""
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        sys.exit("There is no Chromium: install the package chromium, or set one on the PATH.")
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = ["--headless=new", "--no-sandbox", "--hide-scrollbars", f"--window-size={SIZE[0]},{SIZE[1]}"]
        where = [f"--screenshot={shot}", f"--user-data-dir={folder}/profile", page.resolve().as_uri()]
        subprocess.run([browser, *options, *where], check=True, capture_output=True)
        with Image.open(shot) as whole:
            whole.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(picture, optimize=True)
    if picture.stat().st_size > LARGEST:
        sys.exit(f"{picture} has {picture.stat().st_size} bytes, more than {LARGEST}: take fewer colours.")


if __name__ == "__main__":
    take(Path(sys.argv[1]), Path(sys.argv[2]))
