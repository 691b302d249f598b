"""A headless Chromium that opens a page and tells what is wrong with it, by the DevTools protocol
through a pipe.
"""

import base64
import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager, suppress

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
SECONDS = 120  # that an answer may take, on a machine that does much else
FLAGS = ("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-extensions",
         "--disable-background-networking", "--disable-breakpad", "--remote-debugging-pipe")
# Chromium reads commands from descriptor 3 and writes answers to 4.
LAUNCH = """
import fcntl, os, sys
reads, writes = (fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3])
os.dup2(reads, 3)
os.dup2(writes, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
# Elements that reach beyond the page's sides or spill out of what they are in; texts of drawings
# that are cut at the drawing's edge.
OVERFLOWING = """
[...document.querySelectorAll("body *")].filter(element => {
  const box = element.getBoundingClientRect();
  const drawing = element.ownerSVGElement;
  if (drawing) {
    const frame = drawing.getBoundingClientRect();
    return element.tagName === "text" && (box.left < frame.left - 1 || box.right > frame.right + 1
      || box.top < frame.top - 1 || box.bottom > frame.bottom + 1);
  }
  const wide = box.right > innerWidth + 1 || box.left < -1;
  const spills = element.clientWidth && element.scrollWidth > element.clientWidth + 1
    && getComputedStyle(element).overflowX === "visible";
  return wide || spills;
}).map(element => `${element.tagName} ${element.getAttribute("class")} ${element.id}`)
"""
COMPLAINTS = ("Runtime.exceptionThrown", "Log.entryAdded", "Runtime.consoleAPICalled",
              "Network.requestWillBeSent")


class Page:
    """A tab of the browser; ``complaints`` are errors, console messages and requests over a network
    since it was opened.
    """

    def __init__(self, commands, answers):
        self.commands, self.answers, self.last = commands, answers, 0
        self.received = b""
        self.session, self.events, self.address = None, [], "about:"
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        attached = self.send("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.send(f"{domain}.enable")

    def send(self, method, **params):
        """Send a command and wait for its result."""
        self.last += 1
        message = {"id": self.last, "method": method, "params": params}
        if self.session:
            message["sessionId"] = self.session
        text = json.dumps(message).encode() + b"\0"
        while text:
            text = text[os.write(self.commands, text):]
        while True:
            answer = self._read()
            if answer.get("id") == self.last:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def _read(self):
        while b"\0" not in self.received:
            ready, _, _ = select.select([self.answers], [], [], SECONDS)
            news = os.read(self.answers, 1 << 16) if ready else b""
            assert news, f"the browser has ended, or has said nothing for {SECONDS} s"
            self.received += news
        text, _, self.received = self.received.partition(b"\0")
        return json.loads(text)

    def open(self, path):
        """Load a file and wait until all of it is there."""
        self.visit(path.resolve().as_uri())

    def visit(self, url):
        """Load what is at an address and wait until all of it is there."""
        self.events, self.address = [], url
        self.send("Page.navigate", url=url)
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    @property
    def complaints(self):
        return [event["params"] for event in self.events if event["method"] in COMPLAINTS
                and not self._is_inside(event["params"])]

    def _is_inside(self, params):
        url = params.get("request", {}).get("url", "")
        return url.startswith(("file:", "data:", self.address))

    def resize(self, width, height=900, scheme="light", touch=False):
        """Show the page in a window of so many pixels, with a colour scheme; touch: as a phone."""
        self.send("Emulation.setDeviceMetricsOverride", width=width, height=height,
                  deviceScaleFactor=1, mobile=touch)
        self.send("Emulation.setTouchEmulationEnabled", enabled=touch, maxTouchPoints=5)
        self.send("Emulation.setEmulatedMedia",
                  features=[{"name": "prefers-color-scheme", "value": scheme}])

    def drag(self, start, end=None, steps=4, key=None):
        """Press the mouse at (x, y), move to ``end`` in steps, and release; without an end: click.

        key: one to press before the last step.
        """
        end = end or start
        at = {"button": "left", "clickCount": 1}
        self.send("Input.dispatchMouseEvent", type="mouseMoved", x=start[0], y=start[1])
        self.send("Input.dispatchMouseEvent", type="mousePressed", x=start[0], y=start[1], **at)
        for step in range(1, steps + 1 if end != start else 1):
            if key and step == steps:
                self.press(key)
            x, y = (a + (b - a) * step / steps for a, b in zip(start, end))
            self.send("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y, buttons=1, **at)
        self.send("Input.dispatchMouseEvent", type="mouseReleased", x=end[0], y=end[1], **at)

    def touch(self, *fingers, then=None):
        """Move fingers over a touch screen: a list of places (x, y) for each, as many for all.

        then: where the first finger moves once the others are lifted.
        """
        for number, places in enumerate(zip(*fingers)):
            points = [{"x": x, "y": y, "id": n} for n, (x, y) in enumerate(places)]
            kind = "touchMove" if number else "touchStart"
            self.send("Input.dispatchTouchEvent", type=kind, touchPoints=points)
        if then:
            self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=points[1:])
            points = [{"x": then[0], "y": then[1], "id": 0}]
            self.send("Input.dispatchTouchEvent", type="touchMove", touchPoints=points)
        self.send("Input.dispatchTouchEvent", type="touchEnd", touchPoints=[])

    def press(self, key, **params):
        """Press and release a key."""
        text = {"text": key} if len(key) == 1 else {}
        self.send("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **params)
        self.send("Input.dispatchKeyEvent", type="keyUp", key=key, **params)

    def wait_for(self, script):
        """Wait until an expression is true."""
        last = time.monotonic() + SECONDS
        while not self.evaluate(script):
            assert time.monotonic() < last, f"not within {SECONDS} s: {script}"
            time.sleep(0.02)

    def screenshot(self, path):
        """Write what the window shows as a PNG."""
        data = self.send("Page.captureScreenshot", format="png")["data"]
        path.write_bytes(base64.b64decode(data))

    def evaluate(self, script):
        """Return the value of an expression, of a promise what it becomes."""
        result = self.send("Runtime.evaluate", expression=script, returnByValue=True,
                           awaitPromise=True)
        assert "exceptionDetails" not in result, result
        return result["result"]["value"]


@contextmanager
def browser_page(folder):
    """Start Chromium with its files in ``folder``; yields a ``Page``."""
    (command_end, commands), (answers, answer_end) = os.pipe(), os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-c", LAUNCH, str(command_end), str(answer_end), CHROMIUM, *FLAGS,
         f"--user-data-dir={folder}"],
        pass_fds=(command_end, answer_end), start_new_session=True,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    os.close(command_end)
    os.close(answer_end)
    try:
        yield Page(commands, answers)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)  # the browser and its helpers
        process.wait()
        os.close(commands)
        os.close(answers)
