"""Video files and animated pictures: what is taken of them, and what a broken or foreign one says."""

import numpy as np
import pytest

from pack.tests.training.data.pictures_on_disk import gradient, save
from pack.tests.training.data.videos_on_disk import save_animation, save_video, shades
from pack.training.data.clips.file_clip import FileClip
from pack.training.data.clips.timing import ClipSpec
from pack.training.data.dataset import Dataset, Sample
from pack.training.data.items import item_mask, item_pixels, make_items
from pack.training.data.pictures import FilePicture
from pack.training.data.specs import BucketSpec
from pack.training.errors import DatasetError


def clip(path, frames=17, fps=16.0) -> FileClip:
    return FileClip(path, path.name, spec=ClipSpec(frames=frames, fps=fps))


def greys(picture) -> list[int]:
    """The left half's shade in each frame."""
    return [int(frame[20, 5, 0]) for frame in picture.clip()]


@pytest.mark.parametrize("ending", ["mp4", "mov", "m4v", "webm", "mkv", "avi"])
def test_every_container(tmp_path, ending):
    picture = clip(save_video(tmp_path / f"a.{ending}", shades(40)))
    assert (picture.size(), picture.frames, picture.fps, picture.has_alpha()) == ((64, 48), 17, 16.0, False)
    expected = [round(240 * number / 39) for number in range(17)]
    assert np.abs(np.array(greys(picture)) - expected).max() <= 3
    assert picture.pixels().shape == (48, 64, 4) and (picture.pixels()[:, :, :3] == next(iter(picture.clip()))).all()


def test_lossless_frames_come_bit_by_bit(tmp_path):
    frames = shades(9)
    picture = clip(save_video(tmp_path / "a.mkv", frames, fps=30), frames=0, fps=0)
    assert picture.frames == 9 and picture.fps == pytest.approx(30, rel=0.01)
    assert all((one == other).all() for one, other in zip(picture.clip(), frames, strict=True))
    faster = clip(tmp_path / "a.mkv", frames=3, fps=15)
    assert all((one == other).all() for one, other in zip(faster.clip(), frames[::2][:3], strict=True))


def test_one_frame_is_a_picture(tmp_path):
    picture = clip(save_video(tmp_path / "a.mkv", shades(9)), frames=1)
    (frame,) = picture.clip()
    assert picture.frames == 1 and picture.fps is None and frame.shape[2] == 4
    (item,) = make_items(Dataset(samples=(Sample(name="a", picture=picture, caption=""),)))
    assert item.shape == item.bucket


@pytest.mark.parametrize("ending", ["gif", "webp"])
def test_animated_pictures(tmp_path, ending):
    frames = shades(5, brightest=255)
    picture = clip(save_animation(tmp_path / f"a.{ending}", frames, [100, 100, 200, 100, 100]), fps=10)
    assert (picture.size(), picture.frames) == ((64, 48), 6)
    assert greys(picture) == [0, 64, 128, 128, 191, 255]  # the third is shown twice as long
    still = clip(save_animation(tmp_path / f"b.{ending}", frames[4:]))
    assert still.frames == 1 and still.header().moves is False and greys(still) == [255]
    assert still.digest() == FilePicture(still.file, "b").digest()


def test_transparent_parts_of_an_animation_are_laid_on_the_background(tmp_path):
    frames = [np.dstack([gradient(), np.full((24, 40), alpha, np.uint8)]) for alpha in (255, 0)]
    picture = clip(save_animation(tmp_path / "a.webp", frames, 100), fps=10)
    spec = BucketSpec(resolution=64, min_bucket=64, max_bucket=64, bucket_step=64)
    sample = Sample(name="a", picture=picture, caption="", background=(255, 0, 0), buckets=spec)
    (item,) = make_items(Dataset(samples=(sample,)))
    pixels = item_pixels(item)
    assert picture.has_alpha() and pixels.shape == (2, 64, 64, 3) and item_mask(item) is None
    assert (pixels[1, 32, 32] == pixels.new_tensor([1.0, 0, 0])).all() and pixels[0, 32, 32, 1] > 0.3


def test_a_turned_video_is_upright(tmp_path):
    import av

    source = save_video(tmp_path / "a.mp4", shades(3))
    with av.open(str(source)) as read, av.open(str(tmp_path / "b.mp4"), "w") as write:
        stream = write.add_stream_from_template(read.streams.video[0])
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                write.mux(packet)
    data = bytearray((tmp_path / "b.mp4").read_bytes())
    identity = np.array([1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30], ">i4").tobytes()
    quarter = np.array([0, 1 << 16, 0, -(1 << 16), 0, 0, 0, 0, 1 << 30], ">i4").tobytes()  # what phones write: turn by 90 degrees
    where = data.index(identity, data.index(b"tkhd"))
    data[where : where + 36] = quarter
    (tmp_path / "b.mp4").write_bytes(data)
    picture = clip(tmp_path / "b.mp4", frames=0)
    assert picture.size() == (48, 64) and picture.frames == 3
    assert picture.pixels()[50, 10, 0] > 150 > picture.pixels()[10, 10, 0]  # clockwise: what was at the right is below


def test_the_digest_follows_what_is_taken(tmp_path):
    path = save_video(tmp_path / "a.mkv", shades(20))
    digests = [clip(path, *spec).digest() for spec in ((17, 16), (17, 8), (9, 16), (0, 16), (1, 16))]
    assert len(set(digests)) == 5 and all(len(digest) == 64 for digest in digests)
    assert clip(path, 30, 16).digest() == clip(path, 0, 16).digest(), "it has only 20"


def test_what_cannot_be_read_is_named(tmp_path):
    def failure(path, **spec):
        with pytest.raises(DatasetError) as caught:
            clip(path, **spec).frames  # noqa: B018
        return str(caught.value)

    whole = save_video(tmp_path / "a.mp4", shades(40)).read_bytes()
    for name, content in (("cut.mp4", whole[: len(whole) // 2]), ("empty.mp4", b""), ("text.mkv", b"hello"), ("png.webm", None)):
        if content is None:
            save(tmp_path / "a.png")
            content = (tmp_path / "a.png").read_bytes()
        (tmp_path / name).write_bytes(content)
        assert f"Load Dataset: {name}: cannot be read as a video" in failure(tmp_path / name)
    assert "is gone" in failure(tmp_path / "missing.mp4")
    slow = save_video(tmp_path / "slow.mkv", shades(40, 16, 16), fps=4)
    assert "slow.mkv: has more than 1,000 frames at 240 a second" in failure(slow, frames=0, fps=240)


def test_a_playlist_opens_no_other_file(tmp_path):
    """FFmpeg would follow it, whatever its name says."""
    save_video(tmp_path / "secret.mkv", shades(9))
    for name, text in (("list.mp4", "#EXTM3U\n#EXTINF:1,\n{}\n"), ("concat.mkv", "ffconcat version 1.0\nfile '{}'\n")):
        (tmp_path / name).write_text(text.format(tmp_path / "secret.mkv"), encoding="utf-8")
        with pytest.raises(DatasetError, match="cannot be read as a video"):
            clip(tmp_path / name).read()


def test_a_video_that_breaks_off_while_it_is_read(tmp_path):
    path = save_video(tmp_path / "a.mkv", shades(40))
    picture = clip(path).scanned()
    path.write_bytes(save_video(tmp_path / "b.mkv", shades(3)).read_bytes())
    with pytest.raises(DatasetError, match="breaks off: . of 17 frames can be decoded"):
        list(picture.clip())


def test_the_missing_library_is_named(tmp_path, monkeypatch):
    import sys

    path = save_video(tmp_path / "a.mkv", shades(3))
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(DatasetError, match="'av' reads; it is missing. Run: python -m pip install av"):
        clip(path).read()
