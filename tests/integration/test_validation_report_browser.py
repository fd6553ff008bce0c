"""The report in a real browser: nothing runs over the edge, nothing is requested, nothing is complained about."""

import base64
import fcntl
import json
import os
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from ff2neuro.coding import encode
from ff2neuro.converters.nir_graph import to_nir
from ff2neuro.converters.rate import ConversionConfig, convert
from ff2neuro.hardware.backend import RunConfig
from ff2neuro.hardware.reference_backend.backend import ReferenceBackend
from ff2neuro.networks import AnalogNetwork, GoodnessHead, one_hot_label_codes
from ff2neuro.validation import Sweep, SweepPoint, validate
from ff2neuro.validation.report import gather, render_html

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
REQUIRED = os.environ.get("FF2NEURO_REQUIRE_BROWSER") == "1"

#: Elements that stick out of the page, and texts of plots that lie over each other.
OVERFLOWING = """
(() => {
  const width = document.documentElement.clientWidth;
  const scrolled = (element) => element.closest(".scroll") !== null;
  const wide = [...document.querySelectorAll("body *")]
    .filter((element) => !scrolled(element) && element.getBoundingClientRect().right > width + 1)
    .map((element) => element.tagName + " " + element.textContent.slice(0, 40));
  const overlapping = [];
  for (const svg of document.querySelectorAll("svg")) {
    const boxes = [...svg.querySelectorAll("text")].map((text) => [text.textContent, text.getBoundingClientRect()]);
    boxes.forEach(([name, a], index) => boxes.slice(index + 1).forEach(([other, b]) => {
      const x = Math.min(a.right, b.right) - Math.max(a.left, b.left);
      const y = Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top);
      if (x > 1 && y > 3) overlapping.push(name + " / " + other);
    }));
  }
  const colour = getComputedStyle(document.body).backgroundColor;
  const unnamed = [...document.querySelectorAll("img:not([alt]), svg:not([aria-label])")].length;
  return JSON.stringify({width: document.documentElement.scrollWidth - width, wide, overlapping, colour, unnamed});
})()
"""


SWEEP = Sweep(
    "weight_bits",
    80,
    tuple(SweepPoint(bits, 0.4 + bits / 20, 3.0, 0.9, (0.9, bits / 10), 12345.0) for bits in range(2, 9)),
)


class Browser:
    """Headless Chromium over its debugging pipe."""

    def __init__(self, program, profile):
        from_browser, to_us = os.pipe()
        from_us, to_browser = os.pipe()

        def connect():
            # Chromium reads commands from descriptor 3 and answers on 4; copies above both keep them from colliding.
            source, sink = (fcntl.fcntl(end, fcntl.F_DUPFD, 10) for end in (from_us, to_us))
            os.dup2(source, 3)
            os.dup2(sink, 4)

        arguments = [
            program,
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--remote-debugging-pipe",
            f"--user-data-dir={profile}",
            "about:blank",
        ]
        self._process = subprocess.Popen(
            arguments, preexec_fn=connect, close_fds=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        os.close(to_us)
        os.close(from_us)
        self._read, self._write = os.fdopen(from_browser, "rb"), os.fdopen(to_browser, "wb")
        self._number = 0
        self._buffer = b""
        self.events = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = None
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]

    _session = None

    def call(self, method, **parameters):
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        self._write.write(json.dumps(message).encode() + b"\0")
        self._write.flush()
        while True:
            answer = self._receive()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, method):
        while not any(event.get("method") == method for event in self.events):
            self.events.append(self._receive())

    def _receive(self):
        while b"\0" not in self._buffer:
            part = self._read.read1(65536)
            assert part, "the browser ended"
            self._buffer += part
        message, self._buffer = self._buffer.split(b"\0", 1)
        return json.loads(message)

    def close(self):
        self._session = None
        self._write.write(json.dumps({"id": 0, "method": "Browser.close", "params": {}}).encode() + b"\0")
        self._write.flush()
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._read.close()
        self._write.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    program = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if program is None and not REQUIRED:
        pytest.skip("no Chromium here; install Debian's package chromium")
    assert program, "FF2NEURO_REQUIRE_BROWSER is set, but there is no Chromium"
    browser = Browser(program, tmp_path_factory.mktemp("profile"))
    yield browser
    browser.close()


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The report of a network that disagrees with its model here and there, with long names in every place."""
    rng = np.random.default_rng(4)
    weights = (rng.normal(size=(60, 64 + 10)), rng.normal(size=(40, 60)))
    head = GoodnessHead("symmetric", alpha=1.0, theta=0.0, voting_layers=(0, 1))
    analog = AnalogNetwork(weights, one_hot_label_codes(10), head, image_shape=(8, 8))
    images = rng.random((80, 64), dtype=np.float32)
    labels = analog.predict(images)
    labels[:10] = np.arange(10)
    spiking = convert(analog, images[:40], ConversionConfig(n_time_steps=6))
    source = encode(spiking.input_code, images, 6)
    with ReferenceBackend().run(to_nir(spiking), source, RunConfig()) as recording:
        verdict = replace(validate(analog, spiking, recording, images, labels), sweeps=(SWEEP,))
        material = gather(verdict, analog, spiking, recording, images, labels)
    assert verdict.n_disagreements > 3
    provenance = {"config": "layers = [60, 40]\nepochs = 1\n", "checksum": "0123456789abcdef" * 4}
    text = render_html(verdict, material, spiking.notes, provenance, ["ff2neuro validate " + "long/" * 40])
    path = tmp_path_factory.mktemp("report") / "report.html"
    path.write_text(text)
    return path


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 390])
def test_page_fits_and_asks_for_nothing(browser, page, width, scheme):
    browser.events.clear()
    for domain in ("Page", "Network", "Log", "Runtime"):
        browser.call(f"{domain}.enable")
    browser.call("Emulation.setDeviceMetricsOverride", width=width, height=900, deviceScaleFactor=1, mobile=width < 600)
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", features=[feature])
    browser.call("Page.navigate", url=page.as_uri())
    browser.wait_for("Page.loadEventFired")
    found = json.loads(browser.call("Runtime.evaluate", expression=OVERFLOWING)["result"]["value"])
    keep_screenshot(browser, f"report-{width}-{scheme}.png")
    assert found["wide"] == []
    assert found["width"] <= 0
    assert found["overlapping"] == []
    assert found["unnamed"] == 0
    assert found["colour"] == {"light": "rgb(255, 255, 255)", "dark": "rgb(15, 19, 24)"}[scheme]
    requested = [
        event["params"]["request"]["url"]
        for event in browser.events
        if event.get("method") == "Network.requestWillBeSent"
    ]
    assert [url for url in requested if not url.startswith("data:")] == [page.as_uri()]
    complaints = [
        event for event in browser.events if event.get("method") in {"Log.entryAdded", "Runtime.exceptionThrown"}
    ]
    assert complaints == []


def test_box_of_a_class_hides_its_points_and_images(browser, page):
    browser.call("Page.enable")
    browser.call("Emulation.setDeviceMetricsOverride", width=1280, height=900, deviceScaleFactor=1, mobile=False)
    browser.events.clear()
    browser.call("Page.navigate", url=page.as_uri())
    browser.wait_for("Page.loadEventFired")
    shown = """
    JSON.stringify(["g.dots.c3", "g.dots.c4", "figure.t3"].map((selector) =>
      [...document.querySelectorAll(selector)].filter((element) => element.getClientRects().length > 0).length))
    """
    before = json.loads(browser.call("Runtime.evaluate", expression=shown)["result"]["value"])
    assert min(before) > 0
    browser.call("Runtime.evaluate", expression="document.querySelector('.points-3').click()")
    browser.call("Runtime.evaluate", expression="document.querySelector('.images-3').click()")
    after = json.loads(browser.call("Runtime.evaluate", expression=shown)["result"]["value"])
    assert after == [0, before[1], 0]


def keep_screenshot(browser, name):
    """Keep a picture for people where FF2NEURO_SCREENSHOTS names a directory."""
    directory = os.environ.get("FF2NEURO_SCREENSHOTS")
    if directory:
        shot = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        with open(os.path.join(directory, name), "wb") as file:
            file.write(base64.b64decode(shot))


def test_page_is_small_and_has_no_scripts(page):
    text = page.read_text()
    assert len(text) < 5_000_000
    assert "<script" not in text
    assert "http" not in text.replace("http://www.w3.org", "")
