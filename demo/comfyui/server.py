"""A ComfyUI server of one's own: started on a free port in a base folder, watched, and ended for sure."""

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

PACK_FOLDER = "ComfyUI-LoRA-Canvas"
FOLDERS = ("models/checkpoints", "models/loras", "models/vae", "custom_nodes", "input", "output", "temp", "user")


class ServerFailed(Exception):
    """ComfyUI did not come up, or went away; the text holds the end of its log."""


def free_port() -> int:
    """A TCP port on loopback that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class ComfyServer:
    """`with ComfyServer(comfyui, base, pack) as server:` runs main.py on the CPU or, if asked, on the machine's GPU.

    comfyui: the folder with main.py. base: models, input, output and custom nodes lie there (made if missing), so
    ComfyUI's own folder stays as it is. pack: the pack's root, linked into base/custom_nodes.
    """

    def __init__(
        self, comfyui: Path, base: Path, pack: Path, *, options: tuple[str, ...] = ("--cpu",), timeout: float = 180.0
    ):
        self.base, self.log = base, base / "comfyui.log"
        self._comfyui, self._pack, self._options, self._timeout = comfyui, pack, options, timeout
        self._process: subprocess.Popen | None = None
        self.port = free_port()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def __enter__(self) -> "ComfyServer":
        for folder in FOLDERS:
            (self.base / folder).mkdir(parents=True, exist_ok=True)
        link = self.base / "custom_nodes" / PACK_FOLDER
        if not link.is_symlink():
            link.symlink_to(self._pack, target_is_directory=True)
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(), cwd=self._comfyui, env=_environment(), stdout=log, stderr=subprocess.STDOUT
            )
        try:
            self._wait_until_ready()
            self._check_pack()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_exc) -> None:
        self.stop()

    def _command(self) -> list[str]:
        here = ["--listen", "127.0.0.1", "--port", str(self.port), "--base-directory", str(self.base)]
        alone = ["--disable-api-nodes", "--disable-auto-launch", "--database-url", "sqlite:///:memory:"]
        return [sys.executable, "main.py", *here, *alone, *self._options]

    def _wait_until_ready(self) -> None:
        deadline = time.monotonic() + self._timeout
        while time.monotonic() < deadline:
            self.check_alive()
            try:
                with urllib.request.urlopen(f"http://{self.address}/system_stats", timeout=5):
                    return
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        raise ServerFailed(f"ComfyUI did not answer within {self._timeout:.0f} s. Its log ends:\n{self.log_tail()}")

    def _check_pack(self) -> None:
        """ComfyUI goes on without a pack that it cannot import; here that is a failure."""
        lines = self.log.read_text(errors="replace").splitlines()
        for index, line in enumerate(lines):
            if line.startswith("Cannot import") and PACK_FOLDER in line:
                raise ServerFailed("\n".join(lines[max(0, index - 25) : index + 1]))

    def check_alive(self) -> None:
        """Raise ServerFailed if the process has ended."""
        if self._process is None or self._process.poll() is not None:
            code = None if self._process is None else self._process.returncode
            raise ServerFailed(f"ComfyUI ended with code {code}. Its log ends:\n{self.log_tail()}")

    def log_tail(self, lines: int = 40) -> str:
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def kill(self) -> None:
        """End the process at once, as a power cut would."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def stop(self) -> None:
        """End the process: first politely, then for sure."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def _environment() -> dict[str, str]:
    """This process's environment, with nothing fetched from model hubs and output that reaches the log at once."""
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "PYTHONUNBUFFERED": "1"}
    environment = {**os.environ, **offline}
    environment.pop("PYTHONPATH", None)
    return environment
