"""A real Chromium, driven without a head and without a network, for the tests of the page. Not a test.

Chromium and its driver are Debian's packages `chromium` and `chromium-driver`. Where they are missing the tests that
need them are skipped, unless AMP_BROWSER=required, as .ci/run sets it: then they fail.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement

BROWSERS = ("chromium", "chromium-browser", "google-chrome")
DRIVER = "chromedriver"
FLAGS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE, NARROW = (1280, 800), (360, 740)


def find_browser(environment: Mapping[str, str]) -> tuple[str, str]:
    """The paths of a browser and its driver on PATH; skips or fails the test that asks if there is none."""
    path = environment.get("PATH", "")
    browser = next((found for name in BROWSERS if (found := shutil.which(name, path=path))), None)
    driver = shutil.which(DRIVER, path=path)
    if browser is not None and driver is not None:
        return browser, driver
    missing = "chromium" if browser is None else DRIVER
    reason = f"{missing} is not installed; on Debian: apt-get install chromium chromium-driver"
    if environment.get("AMP_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


class Page:
    """One browser window, and what it holds."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    def open(self, file: Path, size: tuple[int, int] = WIDE, *, dark: bool = False) -> None:
        """Load the file in a window of that size in px, its logs emptied before."""
        metrics = {"width": size[0], "height": size[1], "deviceScaleFactor": 1, "mobile": False}
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        self.driver.get("about:blank")
        self.console()
        self.requests()
        self.driver.get(file.as_uri())
        self.settle()

    def settle(self) -> None:
        """Until what was asked for is drawn."""
        self.driver.execute_async_script("requestAnimationFrame(() => requestAnimationFrame(arguments[0]))")

    def console(self) -> list[str]:
        """What the console said since the last time."""
        return [str(entry["message"]) for entry in self.driver.get_log("browser")]  # type: ignore[no-untyped-call]

    def requests(self) -> list[str]:
        """The addresses asked for since the last time, the page's own included."""
        messages = (json.loads(entry["message"])["message"] for entry in self._performance())
        return [
            str(message["params"]["request"]["url"])
            for message in messages
            if message["method"] == "Network.requestWillBeSent"
        ]

    def _performance(self) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self.driver.get_log("performance")  # type: ignore[no-untyped-call]
        return entries

    def js(self, script: str) -> Any:
        return self.driver.execute_script(f"return {script}")

    def find(self, css: str) -> WebElement:
        return self.driver.find_element(By.CSS_SELECTOR, css)

    def all(self, css: str) -> list[WebElement]:
        return self.driver.find_elements(By.CSS_SELECTOR, css)

    def click(self, css: str) -> None:
        self.find(css).click()
        self.settle()

    def press(self, *keys: str) -> None:
        ActionChains(self.driver).send_keys(*keys).perform()
        self.settle()

    def hover(self, element: WebElement) -> None:
        ActionChains(self.driver).move_to_element(element).perform()
        self.settle()

    @property
    def current(self) -> int:
        return int(self.js("document.getElementById('plot').dataset.current"))

    @property
    def scale(self) -> float:
        """Pixels an event."""
        return float(self.js("document.getElementById('plot').dataset.scale"))

    @property
    def view(self) -> tuple[float, float]:
        """The first and the last event in view."""
        data = self.js("({...document.getElementById('plot').dataset})")
        return float(data["from"]), float(data["to"])

    @property
    def panel(self) -> str:
        """What the panel says of the current event."""
        return self.find("#current").text


@contextmanager
def opened(environment: Mapping[str, str], profile: Path) -> Iterator[Page]:
    """A browser with an empty profile, closed at the end."""
    browser, driver_path = find_browser(environment)
    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_path))
    try:
        driver.set_page_load_timeout(30)
        driver.set_script_timeout(30)
        yield Page(driver)
    finally:
        driver.quit()
