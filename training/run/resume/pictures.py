"""The pictures that a run is made of: digests that notice every change, and what tells it in words.

The digests over all pictures decide. Beside them stands one row a picture, which names the ones that have changed; a large
set, and a state of before November 2026, has none.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import astuple
from typing import Any

from ...data.altered import Alteration
from ...data.dataset import REGULARISATION, TRAINING, VALIDATION
from ...data.items import Item
from ...settings import departures
from ...wording import count, some

MOST_ROWS = 5000
ROWS = "picture by picture"
SIZES = "sizes, crops and mirrored pictures"
CLIPS = "the frames that are taken of videos (clip_frames and clip_fps on Load Dataset)"
#: What a row holds behind the name: a digest, or for _VALUES the value itself; and how that is called.
_COLUMNS = {
    "picture": "the pixels", "caption": "the captions", "mask": "the masks, or what is done with transparency,",
    "references": "the references", "repeats": "the repeats", "weight": "the loss weight", "role": "the part",
}
_VALUES = ("repeats", "weight", "role")
_ROLES = {TRAINING: "trained", REGULARISATION: "a regularisation picture", VALIDATION: "held out for validation"}
_SHOWN = 3


def of_pictures(items: Sequence[Item]) -> dict[str, Any]:
    """What is trained of the pictures, by what a person would call it -> a digest over all of them; and ROWS."""
    samples = list(dict.fromkeys(item.sample for item in items))
    usual = samples[0].captions  # compared field by field; others, from merged datasets, are part of the digest
    rules = {spec: departures(spec) if spec != usual else None for spec in {sample.captions for sample in samples}}
    names, pictures = [sample.name for sample in samples], [sample.picture.digest() for sample in samples]
    captions = [(sample.caption, sample.class_words, rules[sample.captions]) for sample in samples]
    masks = [(sample.mask.digest() if sample.mask else None, sample.alpha, sample.background) for sample in samples]
    references = [[reference.digest() for reference in sample.references] for sample in samples]
    found = {
        "pictures": _digest(list(zip(names, pictures, strict=True))),
        "captions": _digest([(name, *caption) for name, caption in zip(names, captions, strict=True)]),
        "masks and transparency": _digest([(name, *mask) for name, mask in zip(names, masks, strict=True)]),
        "references": _digest([(name, shown) for name, shown in zip(names, references, strict=True) if shown]),
        "repeats": _digest([(sample.name, sample.repeats) for sample in samples]),
        "weights, and which pictures are regularisation or held out": _digest(
            [(sample.name, sample.weight, sample.role) for sample in samples]
        ),
        CLIPS: _digest([(sample.name, sample.picture.frames, sample.picture.fps) for sample in samples if sample.picture.fps]),
        SIZES: _digest([
            [(item.sample.name, variant.resized, variant.geometry.crop, variant.bucket, variant.flip,
              *([astuple(variant.altered)] if variant.altered != Alteration() else [])) for variant in item.variants()]
            for item in items
        ]),
    }
    if len(samples) > MOST_ROWS:
        return found
    return found | {ROWS: [
        [sample.name, picture[:16], _digest(caption), _digest(mask), _digest(shown), sample.repeats, sample.weight, sample.role]
        for sample, picture, caption, mask, shown in zip(samples, pictures, captions, masks, references, strict=True)
    ]}


def picture_changes(saved: Mapping[str, Any], items: Sequence[Item], bucket_changes: Sequence[str]) -> list[str]:
    """One phrase for everything of the pictures that is not as it was; `bucket_changes` are those of Bucket Config."""
    now = of_pictures(items)
    unknown = {"references": _digest([]), CLIPS: _digest([])}  # states that are older than these
    different = [name for name, value in now.items() if name != ROWS and saved.get(name, unknown.get(name, value)) != value]
    found = _by_rows(saved[ROWS], now[ROWS]) if different and ROWS in saved and ROWS in now else []
    if CLIPS in different and found:
        found.insert(0, CLIPS)
    if SIZES in different:
        found += bucket_changes
    return found or [f"{name} are not the same" for name in different]


def _by_rows(before: Sequence[Sequence], now: Sequence[Sequence]) -> list[str]:
    then, today = _by_name(before), _by_name(now)
    gone, added = [name for name in then if name not in today], [name for name in today if name not in then]
    both = [(name, dict(zip(_COLUMNS, then[name], strict=True)), dict(zip(_COLUMNS, today[name], strict=True)))
            for name in today if name in then]
    found = [f"{count(len(names), 'picture')} {what}: {some(names, _SHOWN)}"
             for names, what in ((gone, "less"), (added, "more")) if names]
    for column in _COLUMNS:
        changed = [(name, old[column], new[column]) for name, old, new in both if old[column] != new[column]]
        found += [_changed(column, changed)] if changed else []
    if not found and list(then) != list(today):
        found.append("the pictures come in another order")
    return found


def _changed(column: str, changed: Sequence[tuple[str, Any, Any]]) -> str:
    """What is to be said of the pictures whose entry in `column` is another one: (name, before, now)."""
    first, old, new = changed[0]
    told = f"{_COLUMNS[column]} of {count(len(changed), 'picture')}: {some([name for name, _, _ in changed], _SHOWN)}"
    return f"{told} (that of {first} was {_ROLES.get(old, old)}, is now {_ROLES.get(new, new)})" if column in _VALUES else told


def _by_name(rows: Sequence[Sequence]) -> dict[str, list]:
    """Merged datasets may have a name twice."""
    seen: Counter[str] = Counter()
    found = {}
    for name, *columns in rows:
        seen[name] += 1
        found[name if seen[name] == 1 else f"{name} ({seen[name]})"] = columns
    return found


def _digest(part: object) -> str:
    return hashlib.sha256(repr(part).encode()).hexdigest()[:16]
