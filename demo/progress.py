"""The demo's screen: the pack's own of a run without a browser."""

try:
    from ..host.headless.progress import Display
except ImportError:  # `python -m demo.run`: the root is no package, but on sys.path
    from host.headless.progress import Display

__all__ = ["Display"]
