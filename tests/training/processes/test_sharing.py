"""What is encoded once for all that see one folder, and again by those that do not."""

import threading
from pathlib import Path

import pytest
import torch
from torch.distributed import HashStore

from pack.tests.training.run.fakes import TinyImageEncoder, TinyTextEncoder, pictures
from pack.training.data.dataset import Dataset
from pack.training.data.items import make_items
from pack.training.data.latents import LatentCache
from pack.training.data.texts import TextCache
from pack.training.errors import DatasetError
from pack.training.processes import at_hand
from pack.training.processes.board import Board
from pack.training.processes.joined import Joined
from pack.training.processes.sharing import shared


def side_by_side(work, *given):
    """`work(processes, own)` of so many processes, in threads; what each gave or raised."""
    store, found = HashStore(), [None] * len(given)

    def carry(rank):
        try:
            found[rank] = work(Joined(rank, len(given), Board(lambda: store, rank, len(given))), given[rank])
        except DatasetError as error:
            found[rank] = error

    threads = [threading.Thread(target=carry, args=(rank,)) for rank in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return found


def encoded(processes, folders: tuple[Path | None, Path | None], unreadable: str = "", skip: bool = False):
    """How many pictures and captions this one has encoded of five; every latent and condition."""
    among, overflow = shared(processes, *folders)
    vae, clip = TinyImageEncoder(), TinyTextEncoder()
    texts, count = TextCache(clip, folders[0], overflow=overflow), []
    encode, clip.encode = clip.encode, lambda text: (count.append(text), encode(text))[1]
    latents = LatentCache(vae, folders[0], overflow=overflow)
    items = make_items(Dataset(samples=pictures(5)))
    load = latents._load

    def failing(group):
        if group[0].sample.name == unreadable:
            raise DatasetError("Train LoRA", [f"{unreadable} cannot be read"])
        return load(group)

    latents._load = failing
    items = latents.encode_missing(items, skip_unreadable=skip, among=among)
    captions = [item.sample.caption for item in items]
    texts.encode_missing(captions, among=among)
    return vae.encoded, len(count), [latents.get(item) for item in items], [texts.get(text).tensors["cond"] for text in captions]


def assert_alike(one, other):
    for ours, theirs in zip(one[2] + one[3], other[2] + other[3], strict=True):
        torch.testing.assert_close(ours, theirs)


@pytest.mark.parametrize("kind", ["cache", "overflow"])
def test_each_makes_its_part_and_all_read_it(tmp_path, kind):
    folders = (tmp_path, None) if kind == "cache" else (None, tmp_path)
    first, second = side_by_side(encoded, folders, folders)
    assert first[:2] == (3, 3) and second[:2] == (2, 2)
    assert_alike(first, second)
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".")]
    again = side_by_side(encoded, folders, folders)
    assert [each[:2] for each in again] == ([(0, 0), (0, 0)] if kind == "cache" else [(3, 3), (2, 2)])


def test_a_machine_without_the_folder_encodes_for_itself_once(tmp_path):
    here, there = (tmp_path / "here", None), (tmp_path / "there", None)
    found = side_by_side(encoded, here, there, here, there)
    assert [each[:2] for each in found] == [(3, 3), (3, 3), (2, 2), (2, 2)]
    assert_alike(found[0], found[3])


def test_without_any_folder_each_has_all_in_its_memory():
    found = side_by_side(encoded, (None, None), (None, None))
    assert [each[:2] for each in found] == [(5, 5), (5, 5)]


@pytest.mark.parametrize("skip", [True, False])
def test_a_picture_that_one_cannot_read_is_bad_for_all(tmp_path, skip):
    def work(processes, own):
        return encoded(processes, (tmp_path, None), own, skip)

    first, second = side_by_side(work, "", "picture 1.png")  # the second one's, as the first is at place 0
    if skip:
        assert len(first[2]) == len(second[2]) == 4
        assert_alike(first, second)
    else:
        assert str(first) == str(second) == "Train LoRA: picture 1.png cannot be read"


def test_a_file_that_others_do_not_see_is_sent_to_them(tmp_path, monkeypatch):
    """Also where they have another one of its name. Sums of threads stand for those of processes."""
    monkeypatch.setattr(at_hand, "_AT_ONCE", 1000)
    content, turn, pieces = torch.randint(256, (2500,), dtype=torch.uint8).numpy().tobytes(), threading.Barrier(3), [None] * 3

    def work(processes, folder):
        def reduce(tensor):
            pieces[processes.rank] = tensor.clone()
            turn.wait(20)
            total = pieces[0] + pieces[1] + pieces[2]
            turn.wait(20)
            tensor.copy_(total)

        processes.reduce = reduce
        at_hand.at_hand(processes, tmp_path / folder / "training.state")
        return (tmp_path / folder / "training.state").read_bytes()

    for folder, there in (("main", content), ("old", b"another")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "training.state").write_bytes(there)
    assert side_by_side(work, "main", "none", "old") == [content] * 3
