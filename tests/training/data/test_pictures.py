"""Every kind of picture file comes out as the right 8-bit RGBA; every bad one as an error that names it."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms, ImageFile

from pack.tests.training.data.pictures_on_disk import gradient, png_chunk, raw_png, save
from pack.training.data.decoding import MAX_PIXELS
from pack.training.data.formats import plugins
from pack.training.data.formats.jxl import claimed_size
from pack.training.data.pictures import FilePicture
from pack.training.errors import DatasetError


def rgba(path):
    return FilePicture(path, path.name).pixels()


def opaque(rgb):
    return np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])


@pytest.mark.parametrize("ending", [".png", ".webp", ".bmp"])
def test_lossless_formats_are_exact(tmp_path, ending):
    path = save(tmp_path / f"a{ending}")
    assert (rgba(path) == opaque(gradient())).all()


@pytest.mark.parametrize("ending", [".jpg", ".jpeg", ".avif"])
def test_lossy_formats_are_near(tmp_path, ending):
    path = save(tmp_path / f"a{ending}", quality=95)
    assert np.abs(rgba(path).astype(int) - opaque(gradient())).mean() < 4


HEIC_AND_JXL = [
    pytest.param(".heic", marks=pytest.mark.skipif(not plugins.HEIC.is_ready, reason="pillow-heif is not installed")),
    pytest.param(".jxl", marks=pytest.mark.skipif(not plugins.JPEG_XL.is_ready, reason="pillow-jxl-plugin is not installed")),
]


@pytest.mark.parametrize("ending", HEIC_AND_JXL)
def test_formats_of_plugins(tmp_path, ending):
    path = save(tmp_path / f"a{ending}", quality=95)
    picture = FilePicture(path, "a")
    assert picture.size() == (40, 24) and not picture.has_alpha()
    assert np.abs(rgba(path).astype(int) - opaque(gradient())).mean() < 4
    seen = np.dstack([gradient(), np.full((24, 40), 128, np.uint8)])
    through = FilePicture(save(tmp_path / f"b{ending}", seen, quality=95), "b")
    assert through.has_alpha() and abs(int(through.pixels()[5, 5, 3]) - 128) <= 3


def test_a_turned_heic_is_turned_once(tmp_path):
    pytest.importorskip("pillow_heif")
    exif = Image.Exif()
    exif[0x0112] = 6
    plugins.readable(("HEIF",))
    path = save(tmp_path / "a.heic", exif=exif.tobytes(), quality=95)
    assert FilePicture(path, "a").size() == (24, 40) and rgba(path).shape == (40, 24, 4)
    turned = opaque(gradient())[::-1].swapaxes(0, 1)
    assert np.abs(rgba(path).astype(int) - turned).mean() < 4


@pytest.mark.skipif(not plugins.JPEG_XL.is_ready, reason="pillow-jxl-plugin is not installed")
def test_the_exif_of_a_jpeg_xl_turns_nothing(tmp_path):
    """Its own header says how it is turned, and the decoder has done it (ISO 18181-2)."""
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.jxl", exif=exif.tobytes(), quality=95)
    assert rgba(path).shape == (24, 40, 4) and FilePicture(path, "a").size() == (40, 24)


@pytest.mark.skipif(not plugins.JPEG_XL.is_ready, reason="pillow-jxl-plugin is not installed")
@pytest.mark.parametrize("container", [False, True])
@pytest.mark.parametrize("size", [(1, 1), (8, 8), (64, 64), (96, 64), (257, 300), (1600, 900), (9000, 10), (8, 2000), (120, 100)])
def test_what_size_a_jpeg_xl_claims(tmp_path, size, container):
    path = tmp_path / "a.jxl"
    Image.new("RGB", size).save(path, use_container=container)
    assert claimed_size(path) == size


@pytest.mark.skipif(not plugins.JPEG_XL.is_ready, reason="pillow-jxl-plugin is not installed")
def test_a_jpeg_xl_bomb_is_refused_before_decoding(tmp_path):
    """Its plugin decodes all of a file when it opens it."""
    side = 2**30 - 1
    bits = 0 | 3 << 1 | side << 3 | 1 << 33  # not small; 30 bits of height; as wide as high
    path = tmp_path / "bomb.jxl"
    path.write_bytes(b"\xff\x0a" + bits.to_bytes(12, "little"))
    assert claimed_size(path) == (2**30, 2**30)
    assert "claims 1073741824 x 1073741824 pixels" in failure(path, "size")


def test_a_missing_plugin_is_named_by_whatever_opens_the_file(tmp_path, monkeypatch):
    monkeypatch.setattr(plugins, "_ready", frozenset)
    (tmp_path / "a.heic").write_bytes(b"\0\0\0\x1cftypheic" + b"\0" * 40)
    assert "is HEIC, which Pillow reads with a plugin only. Run: python -m pip install pillow-heif" in failure(tmp_path / "a.heic", "size")


def test_the_content_decides_not_the_ending(tmp_path):
    path = tmp_path / "a.jpg"
    save(tmp_path / "a.png").rename(path)
    assert (rgba(path) == opaque(gradient())).all()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_rotation(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save(tmp_path / "a.png", exif=exif)
    turned = {
        1: lambda a: a, 2: lambda a: a[:, ::-1], 3: lambda a: a[::-1, ::-1], 4: lambda a: a[::-1],
        5: lambda a: a.swapaxes(0, 1), 6: lambda a: a[::-1].swapaxes(0, 1),
        7: lambda a: a[::-1, ::-1].swapaxes(0, 1), 8: lambda a: a.swapaxes(0, 1)[::-1],
    }[orientation](opaque(gradient()))  # fmt: skip
    picture = FilePicture(path, "a.png")
    assert (picture.pixels() == turned).all()
    assert picture.size() == (turned.shape[1], turned.shape[0])


def test_orientation_of_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    path = save(tmp_path / "a.jpg", exif=exif)
    assert FilePicture(path, "a").size() == (24, 40) and rgba(path).shape == (40, 24, 4)


def test_alpha_is_kept(tmp_path):
    pixels = np.dstack([gradient(), np.arange(24 * 40).reshape(24, 40).astype(np.uint8)])
    path = save(tmp_path / "a.png", pixels)
    assert (rgba(path) == pixels).all()
    assert FilePicture(path, "a").has_alpha()
    assert not FilePicture(save(tmp_path / "b.png"), "b").has_alpha()


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    values = np.array([[0, 128, 257, 30_000, 65_535]], np.uint16)
    Image.fromarray(values).save(tmp_path / "a.png")
    assert rgba(tmp_path / "a.png")[0, :, 0].tolist() == [0, 0, 1, 117, 255]  # 30000 / 257 = 116.7


def test_sixteen_bit_colour(tmp_path):
    row = b"\0" + b"".join(value.to_bytes(2, "big") for value in (0xFF00, 0x8000, 0x00FF))
    (tmp_path / "a.png").write_bytes(raw_png(1, 1, row, depth=16))
    assert rgba(tmp_path / "a.png")[0, 0].tolist() == [255, 128, 0, 255]


def test_grey_palette_and_bilevel(tmp_path):
    grey = np.array([[0, 100, 255]], np.uint8)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    assert rgba(tmp_path / "grey.png")[0].tolist() == [[0, 0, 0, 255], [100, 100, 100, 255], [255, 255, 255, 255]]
    palette = Image.new("P", (2, 1))
    palette.putpalette([10, 20, 30, 40, 50, 60])
    palette.putdata([0, 1])
    palette.save(tmp_path / "p.png", transparency=0)
    assert rgba(tmp_path / "p.png")[0].tolist() == [[10, 20, 30, 0], [40, 50, 60, 255]]
    Image.new("1", (1, 1), 1).save(tmp_path / "one.png")
    assert rgba(tmp_path / "one.png")[0, 0].tolist() == [255, 255, 255, 255]
    Image.new("LA", (1, 1), (100, 50)).save(tmp_path / "la.png")
    assert rgba(tmp_path / "la.png")[0, 0].tolist() == [100, 100, 100, 50]


def test_cmyk(tmp_path):
    Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", quality=95)
    red = rgba(tmp_path / "a.jpg")[8, 8].astype(int)
    assert np.abs(red - [255, 0, 0, 255]).max() <= 6


def test_an_icc_profile_is_applied(tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    path = save(tmp_path / "same.png", icc_profile=srgb)
    assert (rgba(path) == opaque(gradient())).all()
    # A profile in which red and blue have changed places, and that does not call itself sRGB.
    swapped = srgb.replace(b"rXYZ", b"?XYZ").replace(b"bXYZ", b"rXYZ").replace(b"?XYZ", b"bXYZ")
    swapped = swapped.replace("sRGB".encode("utf-16-be"), "test".encode("utf-16-be"))
    red = np.full((2, 2, 3), (255, 0, 0), np.uint8)
    path = save(tmp_path / "swapped.png", red, icc_profile=swapped)
    assert np.abs(rgba(path)[0, 0].astype(int) - [0, 0, 255, 255]).max() <= 2


def test_a_broken_icc_profile_is_ignored(tmp_path):
    path = save(tmp_path / "a.png", icc_profile=b"not a profile" * 20)
    assert (rgba(path) == opaque(gradient())).all()


def failure(path, action="pixels") -> str:
    with pytest.raises(DatasetError) as caught:
        getattr(FilePicture(path, f"folder/{path.name}"), action)()
    text = str(caught.value)
    assert f"folder/{path.name}" in text
    return text


@pytest.mark.parametrize("ending", [".png", ".jpg", ".webp", ".bmp", ".avif", *HEIC_AND_JXL])
@pytest.mark.parametrize("lenient", [False, True])
def test_truncated_files_are_refused(tmp_path, ending, lenient, monkeypatch):
    """Also when another pack has told Pillow to fill in what is missing."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", lenient)
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3)).astype(np.uint8)
    path = save(tmp_path / f"a{ending}", noise)
    path.write_bytes(path.read_bytes()[: path.stat().st_size * 2 // 3])
    assert "damaged" in failure(path)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is lenient


def test_things_that_are_no_pictures(tmp_path):
    for name, content in (("text.png", b"hello"), ("empty.jpg", b""), ("script.bmp", b"%!PS-Adobe-3.0 EPSF-3.0\n")):
        path = tmp_path / name
        path.write_bytes(content)
        assert "not a PNG" in failure(path, "size")
    Image.new("RGB", (4, 4)).save(tmp_path / "tiff.png", format="TIFF")
    assert "not a PNG" in failure(tmp_path / "tiff.png", "size")
    assert "is gone" in failure(tmp_path / "missing.png", "size")


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("width, height", [(60_000, 60_000), (10_000, 10_000), (70_000, 10)])
def test_a_png_bomb_is_refused_before_decoding(tmp_path, width, height):
    path = tmp_path / "bomb.png"
    path.write_bytes(raw_png(width, height, b"\0" * 1_000_000))
    assert "claims" in failure(path) and f"{MAX_PIXELS:,}" in failure(path, "size")


def test_a_png_text_bomb_is_refused(tmp_path):
    import zlib

    text = png_chunk(b"zTXt", b"comment\0\0" + zlib.compress(b"A" * 80_000_000))
    path = tmp_path / "text.png"
    path.write_bytes(raw_png(1, 1, b"\0\0\0\0", extra=text))
    assert "damaged" in failure(path, "size")


def test_digest_follows_the_content(tmp_path):
    path = save(tmp_path / "a.png")
    first = FilePicture(path, "a").digest()
    assert first == FilePicture(path, "b").digest() and len(first) == 64
    save(path, gradient()[::-1].copy())
    assert FilePicture(path, "a").digest() != first


def test_small_pixels_of_a_jpeg_come_reduced(tmp_path):
    path = save(tmp_path / "a.jpg", np.full((800, 1600, 3), 90, np.uint8))
    small = FilePicture(path, "a").small_pixels(192)
    assert 192 <= small.shape[0] <= 400 and small.shape[1] == 2 * small.shape[0]
    assert np.abs(small[..., :3].astype(int) - 90).max() <= 2


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_corrupted_files_never_raise_anything_else(tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp()
    ready = [ending for ending, plugin in ((".heic", plugins.HEIC), (".jxl", plugins.JPEG_XL)) if plugin.is_ready]
    ending = data.draw(st.sampled_from([".png", ".jpg", ".webp", ".bmp", ".avif", *ready]))
    path = save(folder / f"fuzz{ending}")
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    picture = FilePicture(path, "fuzz")
    for action in (picture.size, picture.pixels, picture.digest):
        try:
            action()
        except DatasetError:
            continue
