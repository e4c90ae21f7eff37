"""Every caption's encoding (beside the pictures that it is read with), made once: in memory, or on disk by content where a
file can hold it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import DatasetError
from ..events import Event, Progress
from ..files.overflow import Overflow
from ..files.store import GIGABYTE, TensorStore, content_key
from ..processes.sharing import Sharing
from ..protocols import TextCondition
from .conditions import packed, text_condition, unpacked
from .encoded import plain
from .pictures import changed_under_way
from .references import Illustrated, Prompt

if TYPE_CHECKING:
    from ..protocols import CaptionEncoder

WHERE = "Train LoRA"
FORMAT = 1


class TextCache:
    """Conditions by text. With a `folder` they live there and are read when asked for; else in memory,
    or as `overflow` has room for them."""

    def __init__(self, encoder: "CaptionEncoder", folder: Path | None = None, *, size_limit: int = 20 * GIGABYTE,
                 overflow: Overflow | None = None):
        self._encoder = encoder
        self._store = TensorStore(folder, size_limit) if folder else overflow.of("texts") if overflow else None
        self._memory: dict[str, TextCondition] = {}
        self._keys: dict[Prompt, str] = {}

    def encode_missing(
        self,
        texts: Iterable[Prompt],
        emit: Callable[[Event], None] = lambda event: None,
        check: Callable[[], None] = lambda: None,
        among: Sharing | None = None,
    ) -> None:
        """Encode each text that is not cached yet; `among` others, this process' part. `check` is called before each and may raise to
        cancel."""
        wanted = list(dict.fromkeys(texts))
        missing = [text for text in wanted if not self._has(text)]
        mine = (among or Sharing()).mine("captions", missing, check)
        done = len(wanted) - len(missing)
        emit(Progress(phase="captions", done=done, total=done + len(mine)))
        for number, text in enumerate(mine, start=1):
            check()
            self._encode(text)
            emit(Progress(phase="captions", done=done + number, total=done + len(mine)))
        if among is not None:
            among.met("captions", {}, check)
            for text in wanted:
                if not self._has(text):  # of another machine, or what no file can hold
                    check()
                    self._encode(text)
        if self._store:
            self._store.settle(self._keys.values(), emit)

    def get(self, text: Prompt) -> TextCondition:
        """The condition of `text`, tensors on the CPU; encoded now where it is not cached."""
        return self.there(text) or self._encode(text)

    def there(self, text: Prompt) -> TextCondition | None:
        """`get` where it need not be encoded; may be asked by another thread."""
        key = self._key(text)
        if key in self._memory:
            return self._memory[key]
        tensors = self._store.get(key) if self._store else None
        return unpacked(tensors) if tensors else None

    def _key(self, text: Prompt) -> str:
        if text not in self._keys:
            self._keys[text] = self._key_now(text)
        return self._keys[text]

    def _key_now(self, text: Prompt) -> str:
        said = (text.text, [view.content() for view in text.views]) if isinstance(text, Illustrated) else (text,)
        return content_key("text", FORMAT, self._encoder.identity, *said)

    def _has(self, text: Prompt) -> bool:
        key = self._key(text)
        return key in self._memory or (self._store is not None and self._store.has(key))

    def _encode(self, text: Prompt) -> TextCondition:
        if isinstance(text, Illustrated):
            pictures = [view.pixels() for view in text.views]
            if self._key_now(text) != self._key(text):
                raise changed_under_way(f"a reference of {text.views[0].sample.name}")
            encoded = self._encoder.encode(text.text, pictures)
        else:
            encoded = self._encoder.encode(text)
        condition = text_condition({**encoded.tensors, **encoded.values}, plain)
        # Not the pooled output: SD1.5's is made with a weight that its files lack, and may be anything.
        texts = [tensor for name, tensor in condition.tensors.items() if name == "cond" or name.endswith(".out")]
        if not all(tensor.isfinite().all() for tensor in texts):
            raise DatasetError(
                WHERE,
                [f"the text encoder made NaN or infinite values of the caption {text!r}. "
                 "Load the text encoder in a wider dtype (start ComfyUI with --fp32-text-enc)."],
            )
        key, entry = self._key(text), packed(condition)
        if self._store and entry is not None:
            self._store.put(key, entry)
        else:
            self._memory[key] = condition
        return condition
