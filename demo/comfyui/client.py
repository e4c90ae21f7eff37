"""A small client of ComfyUI's HTTP and websocket interface."""

import asyncio
import json
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import aiohttp

Event = tuple[str, dict]
FINAL = ("execution_success", "execution_error", "execution_interrupted")


class PromptRefused(Exception):
    """The server's validation turned the prompt down."""


class ComfyClient:
    """`with ComfyClient(address) as client:` listens to the websocket in a thread and keeps every event.

    events: (name, data) in order of arrival; binary messages (previews) are left out.
    """

    def __init__(self, address: str):
        self.address, self.client_id = address, uuid.uuid4().hex
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self._connected = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._listening: asyncio.Task | None = None
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._listen_in_thread, name="comfy-events", daemon=True)

    def __enter__(self) -> "ComfyClient":
        self._thread.start()
        if not self._connected.wait(timeout=30):
            raise ConnectionError(f"no websocket at {self.address}: {self._failure}")
        return self

    def __exit__(self, *_exc) -> None:
        if self._listening is not None:
            self._loop.call_soon_threadsafe(self._listening.cancel)
        self._thread.join(timeout=10)

    # --- HTTP ---

    def get(self, path: str, **query: str) -> Any:
        """GET a JSON answer."""
        return self._request(path + ("?" + urllib.parse.urlencode(query) if query else ""), None)

    def post(self, path: str, body: dict | None = None) -> Any:
        """POST JSON; returns the JSON answer, or None for an empty one."""
        return self._request(path, json.dumps(body or {}).encode())

    def _request(self, path: str, body: bytes | None) -> Any:
        headers = {"Content-Type": "application/json"} if body is not None else {}
        request = urllib.request.Request(f"http://{self.address}{path}", data=body, headers=headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            text = answer.read()
        return json.loads(text) if text else None

    def queue(self, prompt: dict, extra_data: dict | None = None) -> str:
        """Queue an API-format prompt and return its id. Raises PromptRefused with the server's complaints."""
        body = {"prompt": prompt, "client_id": self.client_id, "extra_data": extra_data or {}}
        try:
            return self.post("/prompt", body)["prompt_id"]
        except urllib.error.HTTPError as error:
            raise PromptRefused(_complaints(error.read().decode(errors="replace"))) from None

    def history(self, prompt_id: str) -> dict:
        """What the server remembers of a finished prompt: outputs, status.

        It is written just after the event that ends the prompt, so this waits a moment for it.
        """
        deadline = time.monotonic() + 10
        while prompt_id not in (found := self.get(f"/history/{prompt_id}")):
            if time.monotonic() > deadline:
                raise TimeoutError(f"no history of the prompt {prompt_id}: has it ended?")
            time.sleep(0.05)
        return found[prompt_id]

    def interrupt(self) -> None:
        self.post("/interrupt")

    # --- events ---

    def wait_for(self, wanted: Callable[[str, dict], bool], timeout: float, after: int = 0) -> Event:
        """The first event from position `after` on that is wanted; raises TimeoutError when none comes in time."""
        deadline = time.monotonic() + timeout
        position = after
        while True:
            with self._changed:
                while position >= len(self.events):
                    if self._failure is not None:
                        raise ConnectionError(f"the websocket closed: {self._failure}")
                    if not self._changed.wait(timeout=max(0.0, deadline - time.monotonic())):
                        raise TimeoutError(f"nothing of the kind in {timeout:.0f} s; last events: {self.events[-5:]}")
                event = self.events[position]
            if wanted(*event):
                return event
            position += 1

    def wait(self, prompt_id: str, timeout: float) -> Event:
        """The event that ends a prompt: execution_success, execution_error or execution_interrupted."""
        return self.wait_for(lambda name, data: name in FINAL and data["prompt_id"] == prompt_id, timeout)

    def follow(self, prompt_id: str, patience: float) -> Iterator[Event]:
        """Every event from the first on, up to the one that ends the prompt; `patience` is the longest silence in s."""
        position = 0
        while True:
            name, data = self.wait_for(lambda *_: True, patience, after=position)
            position += 1
            yield name, data
            if name in FINAL and data["prompt_id"] == prompt_id:
                return

    def _listen_in_thread(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._listening = self._loop.create_task(self._listen())
        try:
            self._loop.run_until_complete(self._listening)
        except (asyncio.CancelledError, Exception) as error:  # noqa: BLE001  handed to whoever waits for events
            self._failure = error
        finally:
            self._loop.close()
            with self._changed:
                self._changed.notify_all()

    async def _listen(self) -> None:
        url = f"ws://{self.address}/ws?clientId={self.client_id}"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            self._connected.set()
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    event = json.loads(message.data)
                    with self._changed:
                        self.events.append((event["type"], event["data"]))
                        self._changed.notify_all()
        raise ConnectionError("the server went away")


def _complaints(answer: str) -> str:
    """The readable part of the server's refusal."""
    try:
        refusal = json.loads(answer)
    except json.JSONDecodeError:
        return answer
    error = refusal.get("error", {})
    lines = [f"{error.get('message')}: {error.get('details')}" if isinstance(error, dict) else str(error)]
    for node_id, report in refusal.get("node_errors", {}).items():
        for complaint in report["errors"]:
            lines.append(f"node {node_id} ({report['class_type']}): {complaint['message']}: {complaint['details']}")
    return "\n".join(lines)
