"""A Chromium to drive: the system's, else the one that playwright downloaded; and ComfyUI's page in it, ready."""

import os
import shutil
from pathlib import Path

from playwright.sync_api import Browser, Page, Playwright

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
QUIET = ("--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
         "--disable-component-update", "--disable-sync")
#: A first visit opens the template browser, and the models of the shipped workflows are not here.
SETTINGS = {"Comfy.TutorialCompleted": True, "Comfy.Workflow.ShowMissingModelsWarning": False}
READY = "window.app?.extensionManager?.sidebarTab?.sidebarTabs?.some(tab => tab.id === 'lora-canvas') && app.graph"


def launch(playwright: Playwright) -> Browser:
    """Raises FileNotFoundError, with what to install, where there is no Chromium."""
    path = next((found for name in BROWSERS if (found := shutil.which(name))), None) or playwright.chromium.executable_path
    if not Path(path).exists():
        raise FileNotFoundError("no Chromium: `apt-get install chromium`, or `python -m playwright install --with-deps chromium`")
    # Containers run as root, where Chromium's own sandbox does not start.
    sandbox = ("--no-sandbox",) if hasattr(os, "geteuid") and os.geteuid() == 0 else ()
    return playwright.chromium.launch(executable_path=path, args=[*QUIET, *sandbox])


def wait_until_ready(page: Page) -> None:
    """Until the pack's panel and a canvas are there."""
    page.wait_for_function(READY)
