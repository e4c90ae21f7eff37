"""ComfyUI tells browsers to revalidate .js files but not .mjs: after an update a page would mix old modules and new."""

from __future__ import annotations

from pathlib import Path

from aiohttp import web

_PACK_FOLDER = Path(__file__).parents[1].name


async def _revalidate(request: web.Request, response: web.StreamResponse) -> None:
    if request.path.startswith(f"/extensions/{_PACK_FOLDER}/") and request.path.endswith(".mjs"):
        response.headers["Cache-Control"] = "no-cache"
        # Some Windows machines know no type for .mjs, and browsers run no module without one.
        response.headers["Content-Type"] = "text/javascript; charset=utf-8"


def serve_modules_fresh(app: web.Application) -> None:
    """Make browsers ask for this pack's modules each time (an unchanged one costs a 304)."""
    app.on_response_prepare.append(_revalidate)
