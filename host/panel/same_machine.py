"""Opening a folder in the system's file manager, for a browser on the machine that ComfyUI runs on."""

from __future__ import annotations

import ipaddress
import os
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from aiohttp import web

from ..runs.folder_rules import is_loopback

#: A proxy before ComfyUI says so; its own address is then that of the machine, the reader's is not.
_FORWARDED = ("Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP", "Via")


def can_open(request: web.Request) -> bool:
    """Whether the request comes from this very machine, and there is a file manager to open."""
    return is_same_machine(request) and _opener() is not None


def is_same_machine(request: web.Request) -> bool:
    """By the address that it came from and the one that it asked for; whatever a proxy passed on is not."""
    if any(name in request.headers for name in _FORWARDED):
        return False
    asked = urlsplit(f"//{request.host}").hostname or ""
    return _is_own(request.remote or "") and is_loopback(asked)


def open_folder(folder: Path) -> None:
    """Raises OSError where the file manager does not start."""
    opener = _opener()
    if opener is None:
        raise OSError("there is no file manager")
    if opener == _WINDOWS:
        os.startfile(folder)  # pyright: ignore[reportAttributeAccessIssue] - Windows only
        return
    subprocess.Popen([opener, str(folder)], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
                     start_new_session=True)


_WINDOWS = "explorer"


def _opener() -> str | None:
    if sys.platform == "win32":
        return _WINDOWS
    if sys.platform == "darwin":
        return shutil.which("open")
    has_screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
    return shutil.which("xdg-open") if has_screen else None


def _is_own(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return (mapped or found).is_loopback
