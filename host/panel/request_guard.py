"""What every route asks of a request: our own origin, a small JSON body. Anything else gets a plain refusal; and the answer in JSON.

ComfyUI has no login; whoever can reach the server may steer it. What must not happen is that a page of another
site, open in the user's browser, does so.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web
from comfy.cli_args import args

BODY_LIMIT = 4096
PROMPT_LIMIT = 4 << 20
"""Bytes of a body that is a command, and of one that holds a prompt."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Refused(Exception):
    """The request cannot be served; becomes {"error": text} with the status."""

    def __init__(self, status: int, text: str):
        self.status = status
        super().__init__(text)


def _is_foreign(request: web.Request) -> bool:
    """Does a page of another origin ask? Ports count only where both sides name one, as in ComfyUI's own check."""
    origin = request.headers.get("Origin")
    if origin is not None and origin == args.enable_cors_header:
        return False
    if request.headers.get("Sec-Fetch-Site") == "cross-site":
        return True
    if origin is None:
        return False
    try:
        theirs, ours = urlsplit(origin), urlsplit(f"//{request.host}")
        same_port = theirs.port == ours.port or None in (theirs.port, ours.port)
    except ValueError:
        return True
    return theirs.hostname != ours.hostname or not same_port


def guarded(handler: Handler) -> Handler:
    """Refuse foreign origins; turn `Refused` into its answer."""

    @wraps(handler)
    async def guard(request: web.Request) -> web.StreamResponse:
        try:
            if _is_foreign(request):
                raise Refused(403, "this request comes from another site; open ComfyUI's own page")
            return await handler(request)
        except Refused as refusal:
            headers = {"Cache-Control": "no-store"}
            return web.json_response({"error": str(refusal)}, status=refusal.status, headers=headers)

    return guard


def values_of(body: dict[str, Any], **kinds: type) -> list[Any]:
    """The values of a body that has exactly these, of these kinds."""
    if set(body) != set(kinds) or any(type(body[name]) is not kind for name, kind in kinds.items()):
        told = ", ".join(f"{name} ({kind.__name__})" for name, kind in kinds.items())
        raise Refused(400, f"the body must hold {told or 'nothing'}, and nothing else")
    return [body[name] for name in kinds]


def json_answer(content: Any) -> web.Response:
    """`content`, or a text that is JSON already; never kept by the browser."""
    response = web.Response(text=content if isinstance(content, str) else json.dumps(content),
                            content_type="application/json", headers={"Cache-Control": "no-store"})
    response.enable_compression()
    return response


async def read_json(request: web.Request, limit: int = BODY_LIMIT) -> dict[str, Any]:
    """The request's body: a JSON object, sent as such, of at most `limit` bytes."""
    if request.content_type != "application/json":
        raise Refused(415, f"the body must be application/json, not {request.content_type}")
    body = bytearray()
    async for chunk in request.content.iter_chunked(1024):
        body += chunk
        if len(body) > limit:
            raise Refused(413, f"the body is longer than {limit} bytes")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "the body is not valid JSON") from None
    if not isinstance(content, dict):
        raise Refused(400, f"the body must be a JSON object, not {type(content).__name__}")
    return content
