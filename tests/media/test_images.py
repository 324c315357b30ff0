from __future__ import annotations

import hashlib
import os
import struct
import sys
import zlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from wayframe.errors import ImageError, SpecError
from wayframe.media.images import ImageLimits, image_facts, load_image, named_by_content

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)


def quarters(size: int = 32) -> Image.Image:
    """Red, green / blue, white: any turn or swap of channels shows."""
    small = np.array([[RED, GREEN], [BLUE, WHITE]], np.uint8)
    return Image.fromarray(small.repeat(size, axis=0).repeat(size + 16, axis=1))


def corners(pixels: np.ndarray) -> list[tuple[int, ...]]:
    height, width, _ = pixels.shape
    places = [(height // 4, width // 4), (height // 4, width * 3 // 4), (height * 3 // 4, width // 4)]
    return [tuple(int(v) for v in pixels[place]) for place in [*places, (height * 3 // 4, width * 3 // 4)]]


def near(found: list[tuple[int, ...]], expected: list[tuple[int, int, int]]) -> bool:
    return int(np.abs(np.subtract(found, expected)).max()) <= 4


def png(width: int, height: int, *, depth: int, colour: int, rows: bytes, chunks: bytes = b"") -> bytes:
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = chunk(b"IHDR", header) + chunks + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.jpg", {"quality": 95, "subsampling": 0}),
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("a.avif", {"quality": 95, "subsampling": "4:4:4"}),
        ("a.gif", {}),
        ("a.tiff", {}),
        ("a.bmp", {}),
        ("no-suffix", {"format": "PNG"}),
    ],
)
def test_every_format_comes_out_as_upright_rgb_of_its_size(name: str, options: dict[str, object], tmp_path: Path):
    quarters().save(tmp_path / name, **options)
    loaded = load_image(tmp_path / name)
    assert (loaded.shape, loaded.dtype, image_facts(tmp_path / name).findings) == ((64, 96, 3), np.uint8, ())
    assert near(corners(loaded), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("mode", ["P", "CMYK", "RGBA", "1", "L", "LA"])
def test_every_colour_model_keeps_black_and_white_and_its_colours(mode: str, tmp_path: Path):
    path = tmp_path / ("a.tiff" if mode == "CMYK" else "a.png")
    source = quarters().convert(mode)
    source.save(path)
    loaded = load_image(path)
    expected = (
        [RED, GREEN, BLUE, WHITE] if mode in ("P", "CMYK", "RGBA") else corners(np.asarray(source.convert("RGB")))
    )
    assert near(corners(loaded), expected)


def test_a_cmyk_jpeg_is_not_inverted(tmp_path: Path):
    quarters().convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    assert near(corners(load_image(tmp_path / "a.jpg")), [RED, GREEN, BLUE, WHITE])


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_grey_is_scaled_and_does_not_saturate(suffix: str, tmp_path: Path):
    wide = np.array([[0, 257, 32896, 65535]], np.uint16).repeat(4, axis=0)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), wide)
    loaded = load_image(tmp_path / f"a{suffix}")
    assert loaded[0].tolist() == [[0] * 3, [1] * 3, [128] * 3, [255] * 3]


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bit_colour_is_scaled_and_keeps_its_channels(suffix: str, tmp_path: Path):
    bgr = np.zeros((4, 4, 3), np.uint16)
    bgr[:] = (257 * 10, 257 * 100, 257 * 200)
    assert cv2.imwrite(str(tmp_path / f"a{suffix}"), bgr)
    assert load_image(tmp_path / f"a{suffix}")[0, 0].tolist() == [200, 100, 10]


def test_a_transparent_value_of_sixteen_bit_grey_shows_the_matte(tmp_path: Path):
    rows = b"\0" + struct.pack(">HH", 30000, 65535)
    data = png(2, 1, depth=16, colour=0, rows=rows, chunks=chunk(b"tRNS", struct.pack(">H", 30000)))
    (tmp_path / "a.png").write_bytes(data)
    loaded = load_image(tmp_path / "a.png", matte="#102030")
    facts = image_facts(tmp_path / "a.png", matte="#102030")
    assert loaded[0].tolist() == [[16, 32, 48], [255, 255, 255]]
    assert [found.code for found in facts.findings] == ["image-matted"]
    assert facts.findings[0].evidence == {"matte": "#102030"}


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.gif"])
def test_transparency_is_laid_on_the_matte_with_a_finding(name: str, tmp_path: Path):
    picture = quarters().convert("RGBA")
    picture.paste((0, 0, 0, 0), (0, 0, 48, 32))
    picture.save(tmp_path / name, **({"lossless": True} if name.endswith("webp") else {}))
    loaded = load_image(tmp_path / name, matte="#0a141e")
    facts = image_facts(tmp_path / name, matte="#0a141e")
    assert near(corners(loaded), [(10, 20, 30), GREEN, BLUE, WHITE])
    assert [found.code for found in facts.findings] == ["image-matted"]
    assert facts.findings[0].where == name


def test_half_transparency_is_mixed_half_and_half(tmp_path: Path):
    Image.new("LA", (4, 4), (200, 128)).save(tmp_path / "a.png")
    assert load_image(tmp_path / "a.png", matte="#000000")[0, 0].tolist() == [100, 100, 100]


def test_an_alpha_channel_that_hides_nothing_is_no_finding(tmp_path: Path):
    quarters().convert("RGBA").save(tmp_path / "a.png")
    assert image_facts(tmp_path / "a.png").findings == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_undone_and_facts_tell_the_upright_size(orientation: int, tmp_path: Path):
    stored = {
        1: (),
        2: (Image.Transpose.FLIP_LEFT_RIGHT,),
        3: (Image.Transpose.ROTATE_180,),
        4: (Image.Transpose.FLIP_TOP_BOTTOM,),
        5: (Image.Transpose.TRANSPOSE,),
        6: (Image.Transpose.ROTATE_90,),
        7: (Image.Transpose.TRANSVERSE,),
        8: (Image.Transpose.ROTATE_270,),
    }[orientation]
    picture = quarters()
    for turn in stored:
        picture = picture.transpose(turn)
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture.save(tmp_path / "a.jpg", exif=exif, quality=95, subsampling=0)
    loaded, facts = load_image(tmp_path / "a.jpg"), image_facts(tmp_path / "a.jpg")
    assert (facts.width, facts.height, loaded.shape) == (96, 64, (64, 96, 3))
    assert near(corners(loaded), [RED, GREEN, BLUE, WHITE])
    assert [found.code for found in facts.findings] == ([] if orientation == 1 else ["image-turned"])


@pytest.mark.parametrize("name", ["a.gif", "a.webp", "a.png"])
def test_of_an_animation_the_first_frame_is_taken_with_a_finding(name: str, tmp_path: Path):
    others = [Image.new("RGB", (96, 64), (9 * n, 0, 90)) for n in range(3)]
    options = {"lossless": True} if name == "a.webp" else {}
    quarters().save(tmp_path / name, save_all=True, append_images=others, **options)
    assert near(corners(load_image(tmp_path / name)), [RED, GREEN, BLUE, WHITE])
    assert [found.code for found in image_facts(tmp_path / name).findings] == ["image-animated"]


def test_an_embedded_profile_is_converted_to_srgb(tmp_path: Path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red_is_green = srgb.replace(b"rXYZ", b"swap").replace(b"gXYZ", b"rXYZ").replace(b"swap", b"gXYZ")
    for name, profile, expected in [
        ("same.png", srgb, [RED, GREEN, BLUE, WHITE]),
        ("swapped.png", red_is_green, [GREEN, RED, BLUE, WHITE]),
        ("broken.png", b"not a profile", [RED, GREEN, BLUE, WHITE]),
    ]:
        quarters().save(tmp_path / name, icc_profile=profile)
        assert near(corners(load_image(tmp_path / name)), expected), name


def test_facts_hold_format_and_digest_of_the_file(tmp_path: Path):
    quarters().save(tmp_path / "a.webp")
    facts = image_facts(tmp_path / "a.webp")
    assert (facts.format, facts.findings) == ("WEBP", ())
    assert facts.digest == hashlib.sha256((tmp_path / "a.webp").read_bytes()).hexdigest()


def refused(path: Path, words: str, *, limits: ImageLimits | None = None) -> None:
    """Both ways of reading refuse, in one line that begins with the file's name."""
    for read in (load_image, image_facts):
        with pytest.raises(ImageError, match=words) as caught:
            read(path, limits=limits or ImageLimits())
        assert str(caught.value).startswith(f"{path}: ")
        assert "\n" not in str(caught.value)


def test_what_is_no_picture_is_refused(tmp_path: Path):
    refused(tmp_path / "gone.png", "there is no such file")
    refused(tmp_path, "is a folder, not a picture")
    (tmp_path / "empty.png").touch()
    refused(tmp_path / "empty.png", "is empty")
    (tmp_path / "text.png").write_text("hello " * 100)
    refused(tmp_path / "text.png", "is no picture that can be read; use one of JPEG, PNG")
    refused(Path("https://example.org/a.png"), "is a URL, and only local files are read; download it first")
    os.mkfifo(tmp_path / "pipe.png")
    refused(tmp_path / "pipe.png", "is not a regular file")


def test_a_picture_whose_name_says_another_format_is_refused_with_the_right_name(tmp_path: Path):
    quarters().save(tmp_path / "a.png", format="JPEG")
    refused(tmp_path / "a.png", r"is JPEG, but its name says PNG; rename it to a\.jpg")


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path):
    rows = zlib.compressobj(9)
    data = b"".join(rows.compress(bytes(2501)) for _ in range(20_000)) + rows.flush()
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 20_000, 20_000, 1, 0, 0, 0, 0))
    bomb = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")
    (tmp_path / "bomb.png").write_bytes(bomb)
    assert len(bomb) < 100_000
    refused(tmp_path / "bomb.png", "has more than 100,000,000 pixels; make it smaller")


def test_limits_count_pixels_and_bytes(tmp_path: Path):
    quarters().save(tmp_path / "a.png")
    refused(tmp_path / "a.png", "is 96x64, more than the limit of 6,143 pixels", limits=ImageLimits(pixels=96 * 64 - 1))
    size = (tmp_path / "a.png").stat().st_size
    refused(tmp_path / "a.png", "more than the limit of", limits=ImageLimits(bytes=size - 1))
    assert load_image(tmp_path / "a.png", limits=ImageLimits(pixels=96 * 64, bytes=size)).shape == (64, 96, 3)


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.avif", "a.gif", "a.tiff"])
def test_a_truncated_picture_is_refused(name: str, tmp_path: Path):
    noise = np.random.default_rng(1).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / name)
    data = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(data[: len(data) // 2])
    with pytest.raises(ImageError, match=rf"{name}: is (damaged|no picture)"):
        load_image(tmp_path / name)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_damage_anywhere_gives_a_picture_or_an_image_error(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.getbasetemp() / "damaged"
    folder.mkdir(exist_ok=True)
    name = data.draw(st.sampled_from(["a.jpg", "a.png", "a.webp", "a.gif", "a.tiff", "a.bmp", "a.avif"]))
    quarters(8).save(folder / name)
    content = bytearray((folder / name).read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    (folder / name).write_bytes(content)
    for read in (image_facts, load_image):
        said = None
        try:
            read(folder / name, limits=ImageLimits(pixels=1_000_000))
        except ImageError as exc:
            said = str(exc)
        assert said is None or (said.startswith(f"{folder / name}: ") and "\n" not in said)


def test_a_floating_point_picture_is_refused(tmp_path: Path):
    Image.fromarray(np.zeros((4, 4), np.float32)).save(tmp_path / "a.tiff")
    with pytest.raises(ImageError, match="floating-point values have no defined range; save it with 8 or 16 bits"):
        load_image(tmp_path / "a.tiff")


def test_a_matte_that_is_no_colour_is_refused(tmp_path: Path):
    quarters().save(tmp_path / "a.png")
    with pytest.raises(SpecError, match="matte: is not a colour"):
        load_image(tmp_path / "a.png", matte="bluish")


def test_broken_exif_does_not_matter(tmp_path: Path):
    directory = ImageFileDirectory_v2()
    directory[0x0112] = 99
    quarters().save(tmp_path / "a.jpg", exif=b"Exif\0\0" + directory.tobytes()[:9])
    assert load_image(tmp_path / "a.jpg").shape == (64, 96, 3)


def heic(path: Path, picture: Image.Image) -> Path:
    """The picture of a phone, as good as lossless."""
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(picture).save(path, quality=100, chroma=444)
    return path


@pytest.mark.parametrize("name", ["a.heic", "a.HEIF", "no-suffix"])
def test_heic_is_read_with_its_extra(tmp_path: Path, name: str):
    path = tmp_path / name
    heic(tmp_path / "a.heic", quarters()).rename(path)
    facts = image_facts(path)
    assert (facts.width, facts.height, facts.format) == (96, 64, "HEIF")
    assert near(corners(load_image(path)), [RED, GREEN, BLUE, WHITE])


def test_heic_without_its_extra_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = heic(tmp_path / "a.heic", quarters())
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(
        ImageError, match=r"a\.heic: is HEIC, which needs one more package; pip install 'wayframe\[heic\]'"
    ):
        image_facts(path)


def test_heic_under_another_suffix_and_damaged_heic_are_told(tmp_path: Path):
    heic(tmp_path / "a.heic", quarters()).rename(tmp_path / "a.jpg")
    with pytest.raises(ImageError, match=r"is HEIF, but its name says JPEG; rename it to a\.heic"):
        image_facts(tmp_path / "a.jpg")
    path = heic(tmp_path / "b.heic", quarters())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ImageError, match=r"b\.heic: is damaged"):
        load_image(path)


def test_a_name_by_content_has_the_suffix_of_what_the_file_holds(tmp_path: Path):
    quarters().save(tmp_path / "page", format="WEBP")
    assert named_by_content(tmp_path / "page", stem="shore") == "shore.webp"
    (tmp_path / "page").write_text("<html>")
    with pytest.raises(ImageError, match="is no picture that can be read"):
        named_by_content(tmp_path / "page", stem="shore")
