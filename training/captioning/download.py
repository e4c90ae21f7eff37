"""Getting a captioner from the model hub into its folder, with its size known before and its progress shown."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Callable, Sequence
from fnmatch import fnmatch
from pathlib import Path

from ..errors import MissingLibraryError, ModelError
from .captioner import WHERE
from .catalog import readable

OnProgress = Callable[[int, int], None]
_SPARE = 200_000_000


def download(repo: str, patterns: Sequence[str], folder: Path, on_progress: OnProgress) -> None:
    """Fetch the files of `repo` that match `patterns` and are not in `folder` yet; `on_progress` counts megabytes.

    Only files at the top of the repository are taken. What is begun is gone on with next time. What `on_progress` raises
    (Cancel) passes through. Raises ModelError that names the folder and what to put there by hand.
    """
    hub = _hub(repo, patterns, folder)
    sizes = _sizes(hub, repo, patterns, folder)
    waiting = {name: size for name, size in sizes.items() if not (folder / name).is_file()}
    total = sum(waiting.values())
    folder.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder).free
    if free < total + _SPARE:
        raise ModelError(WHERE, [f"{repo} has {readable(total)}, but only {readable(free)} are free for {folder}. Make room there."])
    meter = _Meter(total, on_progress)
    for name, size in waiting.items():
        before = meter.done
        try:
            _fetch(hub, repo, name, folder, meter)
        except Exception as error:  # the hub's, its transport's and the disk's have no common base class
            if meter.stopped_by is not None:
                raise meter.stopped_by from None
            raise by_hand(repo, patterns, folder, f"could not be downloaded ({type(error).__name__}: {error})") from error
        meter.set(before + size)


class _Meter:
    """Bytes so far, passed on as megabytes; remembers what the callback raised, since the hub may wrap it."""

    def __init__(self, total: int, on_progress: OnProgress):
        self.total = total
        self.done = 0
        self.stopped_by: BaseException | None = None
        self._on_progress = on_progress

    def set(self, done: int) -> None:
        self.done = done
        try:
            self._on_progress(min(done, self.total) // 1_000_000, max(1, self.total // 1_000_000))
        except BaseException as error:
            self.stopped_by = error
            raise


def _hub(repo: str, patterns: Sequence[str], folder: Path):
    try:
        import huggingface_hub
    except ImportError as error:
        raise MissingLibraryError("huggingface_hub", "Downloading a captioner (Auto Caption)") from error
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        raise by_hand(repo, patterns, folder, "cannot be downloaded, because HF_HUB_OFFLINE is set")
    return huggingface_hub


def _sizes(hub, repo: str, patterns: Sequence[str], folder: Path) -> dict[str, int]:
    """Bytes by file name. Weights that are no safetensors are taken only where there are no others."""
    try:
        siblings = hub.HfApi().model_info(repo, files_metadata=True).siblings or []
    except Exception as error:  # see `download`
        raise by_hand(repo, patterns, folder, f"could not be found on the model hub ({type(error).__name__}: {error})") from error
    sizes = {file.rfilename: file.size or 0 for file in siblings if "/" not in file.rfilename and "\\" not in file.rfilename}
    chosen = {name: size for name, size in sizes.items() if any(fnmatch(name, pattern) for pattern in patterns)}
    if "*.safetensors" in patterns and not any(name.endswith(".safetensors") for name in chosen):
        chosen.update({name: size for name, size in sizes.items() if fnmatch(name, "pytorch_model*.bin")})
    if not chosen:
        raise by_hand(repo, patterns, folder, f"has none of the files {', '.join(patterns)}")
    return chosen


def _fetch(hub, repo: str, name: str, folder: Path, meter: _Meter) -> None:
    meter.set(meter.done)
    options = {}
    if "tqdm_class" in inspect.signature(hub.hf_hub_download).parameters:
        from huggingface_hub.utils import tqdm

        class Bar(tqdm):
            def update(self, n=1):
                meter.set(meter.done + int(n or 0))  # not self.n: where bars are switched off it stays 0
                return super().update(n)

        options["tqdm_class"] = Bar
    hub.hf_hub_download(repo_id=repo, filename=name, local_dir=folder, **options)


def by_hand(repo: str, patterns: Sequence[str], folder: Path, what: str) -> ModelError:
    """The error that says where to put which files."""
    files = ", ".join(patterns)
    return ModelError(WHERE, [f"the captioner {repo} {what}. Put its files {files} into the folder {folder} yourself, then run again."])
