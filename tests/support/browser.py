"""A headless Chromium, driven over its DevTools protocol: one for all tests of a session."""

import base64
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from websockets.sync.client import connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
REQUIRED = "BTLLM_REQUIRE_BROWSER"
"""Where this variable is set, tests fail without a browser in place of being skipped: '.ci/run' sets it."""
KEYS = {"Tab": ("Tab", 9, None), "Enter": ("Enter", 13, "\r"), "Escape": ("Escape", 27, None)}


class Browser:
    """The process and the line to it."""

    def __init__(self, program):
        self._folder = tempfile.TemporaryDirectory(prefix="btllm-browser-", ignore_cleanup_errors=True)
        flags = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]
        flags += ["--disable-background-networking", "--hide-scrollbars", "--remote-debugging-port=0"]
        self._errors = open(Path(self._folder.name) / "errors.txt", "w+b")  # noqa: SIM115 - closed with the browser
        self._process = subprocess.Popen(
            [program, *flags, f"--user-data-dir={self._folder.name}/profile", "about:blank"],
            stdout=subprocess.DEVNULL,
            stderr=self._errors,
        )
        self._lines = ExitStack()
        self._line = self._lines.enter_context(connect(self._address(), max_size=None, open_timeout=60, proxy=None))
        self._number = 0
        self._pages = {}

    def _address(self):
        for _ in range(1200):
            self._errors.seek(0)
            if found := re.search(rb"DevTools listening on (ws://\S+)", self._errors.read()):
                return found[1].decode()
            if self._process.poll() is not None:
                break
            time.sleep(0.05)
        self._errors.seek(0)
        raise RuntimeError(f"the browser did not start: {self._errors.read().decode(errors='replace')[-2000:]}")

    def send(self, method, session=None, **given):
        """The result of a command; events that come meanwhile go to their pages."""
        self._number += 1
        number = self._number
        message = {"id": number, "method": method, "params": given} | ({"sessionId": session} if session else {})
        self._line.send(json.dumps(message))
        while True:
            told = json.loads(self._line.recv(timeout=120))
            if told.get("id") == number:
                if "error" in told:
                    raise RuntimeError(f"{method}: {told['error']}")
                return told["result"]
            if (page := self._pages.get(told.get("sessionId"))) is not None:
                page.take(told["method"], told["params"])

    @contextmanager
    def open(self, path, *, hash="", width=1200, height=900, script=True, dark=False):  # noqa: A002 - as the address
        """A page of a file in a window of this size; ``script`` lets scripts run."""
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        page = self._pages[session] = OpenPage(self, session)
        for domain in ("Page", "Runtime", "Log", "Network"):
            page.send(f"{domain}.enable")
        page.send("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        page.send("Emulation.setEmulatedMedia", features=[scheme])
        if not script:
            page.send("Emulation.setScriptExecutionDisabled", value=True)
        try:
            page.send("Page.navigate", url=Path(path).absolute().as_uri() + hash)
            page.wait_for_load()
            yield page
        finally:
            del self._pages[session]
            self.send("Target.closeTarget", targetId=target)

    def close(self):
        """End the process."""
        self._lines.close()
        self._process.terminate()
        self._process.wait(timeout=30)
        self._errors.close()
        self._folder.cleanup()


class OpenPage:
    """A page in its window; ``errors`` are what its console told of errors, ``requests`` what it asked for."""

    def __init__(self, browser, session):
        self._browser, self._session = browser, session
        self._loaded = False
        self.errors, self.requests = [], []

    def take(self, method, given):
        """An event of the browser."""
        if method == "Page.loadEventFired":
            self._loaded = True
        elif method == "Runtime.exceptionThrown":
            details = given["exceptionDetails"]
            self.errors.append(details.get("exception", {}).get("description") or details["text"])
        elif method == "Log.entryAdded" and given["entry"]["level"] == "error":
            self.errors.append(given["entry"]["text"])
        elif method == "Runtime.consoleAPICalled" and given["type"] in ("error", "assert"):
            self.errors.append(str(given["args"]))
        elif method == "Network.requestWillBeSent":
            self.requests.append(given["request"]["url"])

    def send(self, method, **given):
        """A command of the protocol, to this page."""
        return self._browser.send(method, self._session, **given)

    def wait_for_load(self):
        """Until everything of the page was read."""
        for _ in range(2400):
            if self._loaded:
                return
            self.send("Page.getFrameTree")  # reads what events came meanwhile
            time.sleep(0.02)
        raise TimeoutError("the page was not loaded")

    def evaluate(self, expression):
        """The value of an expression of JavaScript, awaited where it is a promise."""
        found = self.send("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            details = found["exceptionDetails"]
            raise AssertionError(details.get("exception", {}).get("description") or details["text"])
        return found["result"].get("value")

    def wait(self, expression):
        """Until an expression counts as true."""
        for _ in range(600):
            if self.evaluate(f"Boolean({expression})"):
                return
            time.sleep(0.02)
        raise TimeoutError(f"never true: {expression}; {self.errors}")

    def click(self, selector, at=(0.5, 0.5)):
        """A click of the mouse on the first element of a selector, at these shares of its width and height."""
        found = json.dumps(selector)
        self.evaluate(f"document.querySelector({found}).scrollIntoView({{block: 'center'}})")
        box = self.evaluate(f"document.querySelector({found}).getBoundingClientRect().toJSON()")
        self.mouse("mouseMoved", box, at)
        self.mouse("mousePressed", box, at)
        self.mouse("mouseReleased", box, at)

    def mouse(self, kind, box, at):
        """One event of the mouse at these shares of a box."""
        x, y = box["x"] + box["width"] * at[0], box["y"] + box["height"] * at[1]
        down = kind != "mouseMoved"
        held = {"button": "left", "clickCount": 1} if down else {}
        self.send("Input.dispatchMouseEvent", type=kind, x=x, y=y, **held)

    def drag(self, selector, begin, end):
        """Press at one place of an element, move to another, let go."""
        box = self.evaluate(f"document.querySelector({json.dumps(selector)}).getBoundingClientRect().toJSON()")
        self.mouse("mouseMoved", box, begin)
        self.mouse("mousePressed", box, begin)
        for share in (0.5, 1.0):
            at = tuple(a + share * (b - a) for a, b in zip(begin, end, strict=True))
            x, y = box["x"] + box["width"] * at[0], box["y"] + box["height"] * at[1]
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, button="left", buttons=1)
        self.mouse("mouseReleased", box, end)

    def key(self, name):
        """Press and let go of a key."""
        key, code, text = KEYS.get(name, (name, ord(name.upper()[0]), name))
        told = {"key": key, "windowsVirtualKeyCode": code} | ({"text": text} if text else {})
        self.send("Input.dispatchKeyEvent", type="keyDown", **told)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, windowsVirtualKeyCode=code)

    def text(self, selector="body"):
        """What a reader sees of an element."""
        return self.evaluate(f"document.querySelector({json.dumps(selector)}).innerText")

    def picture(self, path, whole=False):
        """Write a PNG of the window, or of the whole page."""
        taken = self.send("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        Path(path).write_bytes(base64.b64decode(taken["data"]))


def start_browser():
    """The browser of this machine; skips the test where there is none, or fails where there must be one."""
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        words = "no Chromium is installed here (Debian: apt-get install chromium), so no page is opened in a browser"
        if os.environ.get(REQUIRED):
            pytest.fail(words)
        pytest.skip(words)
    return Browser(program)
