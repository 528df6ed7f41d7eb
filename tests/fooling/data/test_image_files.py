"""A folder of images is decoded once, as a person sees it; what is broken is named, and the cache mends itself."""

import dataclasses
import io
import json
import os
import re
import resource
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from fooling.data.image_files import ImageSource, decode_once, list_image_files, source_of_files
from fooling.errors import MissingFile, UserError

RED, GREEN, WHITE = (255, 0, 0), (0, 255, 0), (255, 255, 255)


@pytest.fixture
def folder(tmp_path):
    """Ten images of one colour each, red = 10 times their number."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for i in range(10):
        Image.new("RGB", (12, 12), (10 * i, 0, 0)).save(folder / f"{i}.png", compress_level=0)
    return folder


def decode(folder, **options):
    options = {"image_size": 8, "channels": 3, **options}
    root = options.pop("root", folder.parent / "cache")
    return decode_once(source_of_files("pictures", folder, list_image_files(folder)), root, **options)


def reds(decoded):
    return decoded.images[:, 0, 4, 4].tolist()


def visible(root):
    paths = [p.relative_to(root) for p in root.rglob("*")]
    return sorted(str(p) for p in paths if not any(part.startswith(".") for part in p.parts))


# ---- what a decoded image looks like


def top_red_bottom_green(size=(40, 40)):
    image = Image.new("RGB", size, GREEN)
    image.paste(RED, (0, 0, size[0], size[1] // 2))
    return image


def save_half_transparent(path):
    image = Image.new("RGBA", (16, 16), (*RED, 0))  # red where nobody sees it
    image.paste((*GREEN, 255), (0, 0, 8, 16))
    image.save(path, lossless=True)


def save_palette_with_transparency(path):
    image = Image.new("P", (16, 16), 0)
    image.putpalette([*RED, *GREEN])
    image.paste(1, (0, 0, 8, 16))
    image.save(path, transparency=0)


def save_animation(path):
    first, second = Image.new("RGB", (16, 16), GREEN), Image.new("RGB", (16, 16), RED)
    first.save(path, save_all=True, append_images=[second], duration=50)


def save_sixteen_bits(path):
    Image.fromarray(np.full((16, 16), 0x8000, np.uint16)).save(path)


LOOKS = {  # how it is saved, and the colours that the left and the right half then have
    "rgb.png": (lambda p: Image.new("RGB", (16, 16), RED).save(p), RED, RED),
    "upper-case.PNG": (lambda p: Image.new("RGB", (16, 16), RED).save(p), RED, RED),
    "transparent.png": (save_half_transparent, GREEN, WHITE),
    "transparent.webp": (save_half_transparent, GREEN, WHITE),
    "palette.png": (save_palette_with_transparency, GREEN, WHITE),
    "one-colour-transparent.png": (lambda p: Image.new("RGB", (16, 16), RED).save(p, transparency=RED), WHITE, WHITE),
    "grey-alpha.png": (lambda p: Image.new("LA", (16, 16), (0, 0)).save(p), WHITE, WHITE),
    "16-bit.png": (save_sixteen_bits, (128,) * 3, (128,) * 3),
    "16-bit.tif": (save_sixteen_bits, (128,) * 3, (128,) * 3),
    "16-bit.pgm": (lambda p: p.write_bytes(b"P5 4 4 65535\n" + b"\x80\x00" * 16), (128,) * 3, (128,) * 3),
    "one-bit.png": (lambda p: Image.new("1", (16, 16), 1).save(p), WHITE, WHITE),
    "cmyk.jpg": (lambda p: Image.new("CMYK", (16, 16), (0, 255, 255, 0)).save(p, quality=95), RED, RED),
    "animated.gif": (save_animation, GREEN, GREEN),
    "one-pixel.bmp": (lambda p: Image.new("RGB", (1, 1), RED).save(p), RED, RED),
    "thin.png": (lambda p: Image.new("RGB", (1, 300), RED).save(p), RED, RED),
}


@pytest.mark.parametrize("name", LOOKS)
def test_an_image_is_decoded_as_a_person_sees_it(name, tmp_path):
    save, left, right = LOOKS[name]
    (tmp_path / "in").mkdir()
    save(tmp_path / "in" / name)
    image = decode(tmp_path / "in").images[0]
    assert image.dtype == torch.uint8 and image.shape == (3, 8, 8)
    for column, colour in ((1, left), (6, right)):
        assert (image[:, 4, column].int() - torch.tensor(colour)).abs().max() <= 3


@pytest.mark.parametrize("channels", [1, 3])
def test_the_largest_centred_square_is_kept(channels, tmp_path):
    wide = Image.new("RGB", (60, 20), RED)
    wide.paste(GREEN, (20, 0, 40, 20))
    (tmp_path / "in").mkdir()
    wide.save(tmp_path / "in" / "wide.png")
    wide.rotate(90, expand=True).save(tmp_path / "in" / "tall.png")
    images = decode(tmp_path / "in", channels=channels, image_size=10).images
    expected = torch.tensor(GREEN if channels == 3 else [150])  # 0.587 * 255
    assert images.shape == (2, channels, 10, 10)
    error = (images.permute(0, 2, 3, 1).int() - expected).abs()
    assert error[:, 1:-1, 1:-1].max() <= 1 and error.max() <= 25  # the filter sees a little beyond the edge


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_camera_held_any_way_gives_an_upright_image(orientation, tmp_path):
    # How the sensor's picture must be turned to store it, so that viewers who follow the EXIF tag see it upright.
    stored = {
        1: None, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM, 5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE, 8: Image.Transpose.ROTATE_270,
    }[orientation]  # fmt: skip
    upright = top_red_bottom_green((300, 400))  # large enough to be decoded at a reduced size
    upright.paste((0, 0, 255), (0, 0, 150, 150))
    exif = Image.Exif()
    exif[0x0112] = orientation
    (tmp_path / "in").mkdir()
    (upright.transpose(stored) if stored is not None else upright).save(tmp_path / "in" / "a.jpg", exif=exif)
    image = decode(tmp_path / "in").images[0].int()
    for row, column, colour in ((1, 1, (0, 0, 255)), (1, 6, RED), (6, 1, GREEN), (6, 6, GREEN)):
        assert (image[:, row, column] - torch.tensor(colour)).abs().max() <= 20


@pytest.mark.parametrize("side", [240, 480, 1800])  # the JPEG is decoded at its size, a half and an eighth of it
def test_a_photo_is_what_a_careful_resize_makes_of_it(side, tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (24, 32, 3), np.uint8)
    photo = Image.fromarray(noise).resize((side * 4 // 3, side), Image.Resampling.BICUBIC)
    (tmp_path / "in").mkdir()
    photo.save(tmp_path / "in" / "a.jpg", quality=98, subsampling=0)
    photo.save(tmp_path / "in" / "b.png", compress_level=1)
    careful = photo.resize((64, 64), Image.Resampling.BICUBIC, (side / 6, 0, side * 7 / 6, side))
    expected = torch.from_numpy(np.asarray(careful).astype(np.float32)).permute(2, 0, 1)
    for image in decode(tmp_path / "in", image_size=64).images:
        assert (image.float() - expected).abs().mean() < 1


def test_stripes_too_fine_to_see_become_grey(tmp_path):
    stripes = np.zeros((512, 512), np.uint8)
    stripes[:, ::2] = 255
    (tmp_path / "in").mkdir()
    Image.fromarray(stripes).save(tmp_path / "in" / "a.jpg", quality=95)
    Image.fromarray(stripes).save(tmp_path / "in" / "b.png")
    assert (decode(tmp_path / "in", channels=1).images.int() - 127).abs().max() <= 3


# ---- the cache


def test_a_second_run_reads_no_image(folder):
    first = decode(folder)
    assert reds(first) == [10 * i for i in range(10)] and list(first.kept) == list(range(10))
    for file in folder.iterdir():  # unreadable from now on, though nothing seems to have changed
        stat = file.stat()
        file.write_bytes(b"?" * stat.st_size)
        os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    again = decode(folder)
    assert torch.equal(again.images, first.images)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="whether a private mapping follows its file")
def test_the_images_stay_on_disk_until_they_are_used(folder):
    decode(folder)
    decoded = decode(folder)
    (file,) = (folder.parent / "cache").glob("*/images.npy")
    with file.open("r+b") as stream:
        stream.seek(-1, os.SEEK_END)
        stream.write(b"\x07")
    assert decoded.images[-1, -1, -1, -1] == 7


def test_writing_into_the_tensor_leaves_the_cache_alone(folder):
    decode(folder).images.fill_(99)
    assert reds(decode(folder)) == [10 * i for i in range(10)]


@pytest.mark.parametrize("size", [8, 16])
@pytest.mark.parametrize("channels", [1, 3])
def test_each_setting_has_its_own_cache(size, channels, folder):
    decode(folder)
    assert decode(folder, image_size=size, channels=channels).images.shape == (10, channels, size, size)
    assert decode(folder).images.shape == (10, 3, 8, 8)


def add(folder):
    Image.new("RGB", (12, 12), (200, 0, 0)).save(folder / "95.png")
    return [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 200]


def remove(folder):
    (folder / "3.png").unlink()
    return [0, 10, 20, 40, 50, 60, 70, 80, 90]


def replace(folder):
    stat = (folder / "3.png").stat()
    Image.new("RGB", (12, 12), (200, 0, 0)).save(folder / "3.png", compress_level=0)
    assert (folder / "3.png").stat().st_size == stat.st_size  # so that the time alone tells
    os.utime(folder / "3.png", ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    return [0, 10, 20, 200, 40, 50, 60, 70, 80, 90]


def rename(folder):
    (folder / "0.png").rename(folder / "99.png")
    return [10, 20, 30, 40, 50, 60, 70, 80, 90, 0]


@pytest.mark.parametrize("change", [add, remove, replace, rename])
def test_a_changed_folder_is_noticed(change, folder):
    decode(folder)
    expected = change(folder)
    assert reds(decode(folder)) == expected
    assert len(visible(folder.parent / "cache")) == 3  # one cache folder with its two files: the old one is gone


def test_folders_of_the_same_name_do_not_share_a_cache(folder, tmp_path):
    other = tmp_path / "elsewhere" / "pictures"
    other.mkdir(parents=True)
    Image.new("RGB", (12, 12), RED).save(other / "0.png")
    decode(folder)
    assert reds(decode(other, root=tmp_path / "cache")) == [255]
    assert len(reds(decode(folder))) == 10
    assert len(list((tmp_path / "cache").glob("[!.]*"))) == 2  # neither pushed the other out


DAMAGES = {
    "manifest emptied": lambda cache: (cache / "manifest.json").write_bytes(b""),
    "manifest not an object": lambda cache: (cache / "manifest.json").write_text("[1]"),
    "manifest without keys": lambda cache: (cache / "manifest.json").write_text("{}"),
    "manifest gone": lambda cache: (cache / "manifest.json").unlink(),
    "images emptied": lambda cache: (cache / "images.npy").write_bytes(b""),
    "images cut short": lambda cache: os.truncate(cache / "images.npy", 1000),
    "images not an array": lambda cache: (cache / "images.npy").write_bytes(b"PK\3\4" + b"x" * 5000),
    "images of another shape": lambda cache: np.save(cache / "images.npy", np.zeros((9, 3, 8, 8), np.uint8)),
    "images of another type": lambda cache: np.save(cache / "images.npy", np.zeros((10, 3, 8, 8), np.float32)),
    "images gone": lambda cache: (cache / "images.npy").unlink(),
    "folder empty": lambda cache: [f.unlink() for f in cache.iterdir()],
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES)
def test_a_damaged_cache_is_made_again(damage, folder):
    decode(folder)
    (cache,) = (folder.parent / "cache").glob("[!.]*")
    damage(cache)
    assert reds(decode(folder)) == [10 * i for i in range(10)]


def test_a_cache_that_cannot_be_written_can_be_read(folder):
    decode(folder)
    root = folder.parent / "cache"
    for path in [root, *root.rglob("*")]:
        path.chmod(0o555 if path.is_dir() else 0o444)
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    assert len(reds(decode(folder))) == 10
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before


@pytest.mark.parametrize("place", ["file", "file/cache", "/proc/cache"])
def test_where_the_cache_cannot_be_written_images_are_decoded_for_this_once(place, folder, tmp_path, capsys):
    """Training is worth more than a cache: a line names the place, and nothing is left of the decoded images."""
    (tmp_path / "file").write_text("in the way")
    before = set(Path(tempfile.gettempdir()).glob("fooling-*"))
    assert len(reds(decode(folder, root=tmp_path / place))) == 10
    assert re.search(r"cannot write .*(file|proc).*--data\.root: decoding for this once", capsys.readouterr().out)
    assert set(Path(tempfile.gettempdir()).glob("fooling-*")) <= before


def test_a_full_disk_is_one_line_and_leaves_nothing_behind(folder):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(UserError, match=r"cannot write .*: File too large"):
            decode(folder, image_size=64)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert visible(folder.parent / "cache") == [] and not list((folder.parent / "cache").glob(".*.partial"))
    assert len(reds(decode(folder, image_size=64))) == 10


def test_a_build_that_was_killed_leaves_no_trace_in_the_next(folder):
    script = """
import sys, time
from dataclasses import replace
from pathlib import Path
from fooling.data.image_files import *
files = list_image_files(Path(sys.argv[1]))
def slow(i):
    if i == 9:
        print("half-way", flush=True)
        time.sleep(60)
    return files[i]
source = source_of_files("pictures", Path(sys.argv[1]), files)
decode_once(replace(source, open=slow), Path(sys.argv[2]), image_size=8, channels=3)
"""
    root = folder.parent / "cache"
    with subprocess.Popen([sys.executable, "-c", script, folder, root], stdout=subprocess.PIPE, text=True) as child:
        try:
            assert any("half-way" in line for line in child.stdout)
            assert visible(root) == [] and len(list(root.glob(".*.partial"))) == 1  # nothing that looks whole
        finally:
            child.kill()
    assert reds(decode(folder)) == [10 * i for i in range(10)]
    assert not list(root.glob(".*.partial"))


def test_two_that_want_the_same_cache_at_once_build_it_once(folder, capsys):
    files = list_image_files(folder)
    decoding, go_on, results = threading.Event(), threading.Event(), []

    def slow(index):
        decoding.set()
        go_on.wait(20)
        return files[index]

    def never(index):
        raise AssertionError("decoded twice")

    def run(opening):
        source = dataclasses.replace(source_of_files("pictures", folder, files), open=opening)
        results.append(decode_once(source, folder.parent / "cache", image_size=8, channels=3))

    first = threading.Thread(target=run, args=[slow])
    first.start()
    assert decoding.wait(20)
    second = threading.Thread(target=run, args=[never])
    second.start()
    said, patience = "", time.monotonic() + 20
    while "waiting for another process" not in said and time.monotonic() < patience:
        second.join(0.05)
        said += capsys.readouterr().out
    assert second.is_alive() and "waiting for another process" in said
    go_on.set()
    first.join(20)
    second.join(20)
    assert [reds(r) for r in results] == [[10 * i for i in range(10)]] * 2


# ---- broken files


BROKEN = {
    "empty": b"",
    "text": b"this is not a picture",
    "truncated": None,
    "dead link": "link",
    "float": "float",
}


@pytest.fixture(params=BROKEN)
def broken(request, folder):
    """The folder, with a broken third image."""
    file, how = folder / "2.png", BROKEN[request.param]
    if how is None:
        how = file.read_bytes()[:-30]
    file.unlink()
    if how == "link":
        file.symlink_to(folder / "nowhere.png")
    elif how == "float":
        Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(file, format="TIFF")
    else:
        file.write_bytes(how)
    return folder


def test_a_broken_image_is_named_and_nothing_stays(broken):
    with pytest.raises(UserError, match=rf"{broken}/2\.png .*--data\.skip_broken true") as caught:
        decode(broken)
    assert "\n" not in str(caught.value)
    assert visible(broken.parent / "cache") == []


def test_broken_images_are_skipped_and_counted_on_request(broken, capsys):
    decoded = decode(broken, skip_broken=True)
    assert reds(decoded) == [0, 10, 30, 40, 50, 60, 70, 80, 90]
    assert list(decoded.kept) == [0, 1, 3, 4, 5, 6, 7, 8, 9]
    assert "skipped 1 broken images of 10" in capsys.readouterr().out
    (manifest,) = (broken.parent / "cache").glob("*/manifest.json")
    (entry,) = json.loads(manifest.read_text())["broken"]
    assert entry["name"] == str(broken / "2.png") and entry["reason"]

    assert reds(decode(broken, skip_broken=True)) == reds(decoded)
    assert capsys.readouterr().out == ""  # from the cache
    with pytest.raises(UserError, match=r"2\.png"):  # the cache that lacks it is not what was asked for
        decode(broken)


def test_the_first_broken_image_in_order_is_the_one_named(folder):
    for i in (8, 4, 6):
        (folder / f"{i}.png").write_bytes(b"?")
    with pytest.raises(UserError, match=r"/4\.png"):
        decode(folder)


def test_nothing_but_broken_images_is_an_error(folder):
    for file in folder.iterdir():
        file.write_bytes(b"?")
    with pytest.raises(UserError, match=r"none of the images .* 10 of 10"):
        decode(folder, skip_broken=True)
    assert visible(folder.parent / "cache") == []


def test_an_absurdly_large_image_is_refused_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    (tmp_path / "in").mkdir()
    Image.new("L", (12, 12)).save(tmp_path / "in" / "a.png")  # above the limit: PIL warns, and we read it
    assert len(decode(tmp_path / "in").images) == 1
    Image.new("L", (20, 20)).save(tmp_path / "in" / "b.png")  # above twice the limit
    with pytest.raises(UserError, match=r"b\.png .*400 pixels"):
        decode(tmp_path / "in")


# ---- which files


def test_files_are_found_by_extension_in_order_and_hidden_ones_left_out(tmp_path):
    for name in ["b.jpg", "a.PNG", "z/deep/c.webp", "notes.txt", "._a.png", ".thumbnails/d.png", "folder.png/e.gif"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    os.mkfifo(tmp_path / "pipe.png")
    found = [str(p.relative_to(tmp_path)) for p in list_image_files(tmp_path)]
    assert found == ["a.PNG", "b.jpg", "folder.png/e.gif", "z/deep/c.webp"]


def test_what_runs_and_verbs_have_left_is_no_data(tmp_path):
    for name in ["a.png", "runs/mine/samples/000001.png", "runs/trick/climb.png", "samples/b.png"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "runs" / "mine" / "config.yaml").write_text("name: mine")
    (tmp_path / "runs" / "mine" / "checkpoints").mkdir()
    for name in ("summary.json", "numbers.npz"):
        (tmp_path / "runs" / "trick" / name).write_bytes(b"")
    assert [str(p.relative_to(tmp_path)) for p in list_image_files(tmp_path)] == ["a.png", "samples/b.png"]
    assert len(list_image_files(tmp_path / "runs" / "mine" / "samples")) == 1  # who asks for them has them


def test_links_to_folders_are_followed_but_not_in_circles(tmp_path):
    (tmp_path / "stored").mkdir()
    (tmp_path / "stored" / "a.png").write_bytes(b"")
    (tmp_path / "set" / "cats").mkdir(parents=True)
    (tmp_path / "set" / "cats" / "linked").symlink_to(tmp_path / "stored")
    (tmp_path / "set" / "cats" / "up").symlink_to(tmp_path / "set")
    (tmp_path / "stored" / "back").symlink_to(tmp_path / "set" / "cats")
    found = [str(p.relative_to(tmp_path)) for p in list_image_files(tmp_path / "set")]
    assert found == ["set/cats/linked/a.png"]


@pytest.mark.parametrize("make", [lambda p: None, lambda p: p.mkdir(), lambda p: p.write_bytes(b"")])
def test_no_images_is_an_error_that_says_where(make, tmp_path):
    make(tmp_path / "in")
    with pytest.raises(MissingFile, match=str(tmp_path / "in")):
        list_image_files(tmp_path / "in")


def test_names_that_are_not_unicode_are_no_obstacle(tmp_path, capsys):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9"))
    folder.mkdir()
    Image.new("RGB", (9, 9), RED).save(folder / os.fsdecode(b"\xff.png"))
    source = source_of_files(folder.name, folder, list_image_files(folder))
    assert reds(decode_once(source, tmp_path / "cache", image_size=8, channels=3)) == [255]
    capsys.readouterr().out.encode()  # what was printed can be


def test_many_images_keep_their_order_over_the_chunks_they_are_decoded_in(tmp_path):
    def encoded(index):
        stream = io.BytesIO()
        Image.new("L", (2, 2), index % 251).save(stream, "PNG")
        return stream

    source = ImageSource("many", "nowhere", 0, 2500, open=encoded, name=str)
    decoded = decode_once(source, tmp_path / "cache", image_size=2, channels=1)
    assert decoded.images[:, 0, 0, 0].tolist() == [i % 251 for i in range(2500)]
