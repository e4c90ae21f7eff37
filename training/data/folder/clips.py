"""The clips of a folder: which files are some, and what is said of how they are cut."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ...wording import count, some
from ..clips.file_clip import EXTENSIONS, VIDEOS, FileClip
from ..clips.timing import ClipSpec
from ..clips.video import is_readable
from ..dataset import Sample
from ..pictures import FilePicture
from .walk import File, printable


def picture_of(file: File, spec: ClipSpec) -> FilePicture:
    """The file as a picture, or as a clip where it may have several frames."""
    ending = file.path.suffix.lower()
    name = printable(file.name)
    return FileClip(file.path, name, spec=spec) if ending in EXTENSIONS else FilePicture(file.path, name)


def without_reader(samples: list[Sample], problems: list[str]) -> list[Sample]:
    """The samples that can be read here: without PyAV the videos go to `problems`, all in one line."""
    videos = [sample for sample in samples if sample.picture.file and sample.picture.file.suffix.lower() in VIDEOS]
    if not videos or is_readable():
        return samples
    problems.append(
        f"{count(len(videos), 'video')} cannot be read: {some(sample.name for sample in videos)}. The Python library 'av' is missing, "
        "which ComfyUI's requirements bring. Run: python -m pip install av"
    )
    left_out = {id(sample) for sample in videos}
    return [sample for sample in samples if id(sample) not in left_out]


def clip_notes(samples: Sequence[Sample], spec: ClipSpec) -> Iterator[str]:
    """Of clips whose headers are read: those that are shorter or longer than asked for, and those shown slower than they are."""
    reels = {sample.name: sample.picture.read() for sample in samples if isinstance(sample.picture, FileClip)}
    reels = {name: reel for name, reel in reels.items() if reel.header.moves}
    short = [f"{name} ({reel.frames})" for name, reel in reels.items() if reel.frames < spec.frames]
    if short:
        yield (f"{count(len(short), 'clip')} with fewer frames than clip_frames ({spec.frames}): {some(short)}. They are trained as they "
               "are; only clips of one length share a batch.")
    longer = [name for name, reel in reels.items() if reel.longer]
    if longer and spec.frames > 1:
        used = f"the first {spec.frames} frames" + (f" ({spec.frames / spec.fps:.2g} seconds)" if spec.fps else "")
        yield (f"{count(len(longer), 'video')} of which {used} are trained, and not what comes after: {some(longer)}. Raise clip_frames, "
               "or cut them into pieces with a caption each.")
    slow = [f"{name} ({reel.rate:.3g})" for name, reel in reels.items() if reel.frames > 1 and 0 < reel.rate < spec.fps * 0.95]
    if slow:
        yield (f"{count(len(slow), 'video')} with fewer frames a second than clip_fps ({spec.fps:g}): {some(slow)}. Frames are shown "
               "twice, which teaches to stutter: lower clip_fps, or replace them.")
