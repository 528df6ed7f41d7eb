"""Files that appear whole or not at all: text, JSON, PNG pictures, GIF and MP4 films."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, cast

import numpy as np
from PIL import Image

from fooling.errors import CannotWrite, UserError
from fooling.options.paths import path_of

_UNSEEN = 8  # levels of 256 by which a pixel of a film may change before it is drawn anew


def write_whole(path: str | os.PathLike, write: Callable[[Path], Any]) -> Path:
    """Have `write` write a file under another name, and rename it, so that nobody ever meets half of one.

    Its folder is made. Raises CannotWrite where it cannot be written.
    """
    path = Path(path)
    partial = path.with_name(f".partial-{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(partial)
            partial.replace(path)
        finally:
            partial.unlink(missing_ok=True)
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {error.strerror or error}") from error
    return path


def writable(said: str | os.PathLike[str]) -> Path:
    """The path of a file or folder that somebody wants written, asked before the work: a disk says no in no time, and
    what was found in an hour is lost where it says so afterwards. Nothing is left behind.

    Raises UserError for what is no path, and CannotWrite where nothing could be made there.
    """
    path = path_of(said)
    try:
        above = next(folder for folder in path.absolute().parents if folder.exists())
        with tempfile.TemporaryDirectory(dir=above, prefix=".partial-"):
            return path
    except OSError as error:
        raise CannotWrite(f"cannot write {path}: {error.strerror or error}; choose another place") from error


def write_text(text: str, path: str | os.PathLike) -> Path:
    """Write a text file in UTF-8; it appears whole or not at all."""
    return write_whole(path, lambda partial: partial.write_text(text, encoding="utf-8"))


def write_json(value: Any, path: str | os.PathLike) -> Path:
    """Write a value as JSON that people can read; what JSON does not know is written as its str()."""
    return write_text(json.dumps(value, indent=2, default=str) + "\n", path)


def write_png(picture: np.ndarray, path: str | os.PathLike) -> Path:
    """Write a uint8 (height, width, 3) picture, as from `grid`; its folder is made, the file appears whole or not."""
    return write_whole(path, lambda partial: _as_pil(picture).save(partial, format="PNG"))


def write_gif(
    frames: Iterable[np.ndarray], path: str | os.PathLike[str], fps: float = 10, *, hold: float = 0, colours: int = 256
) -> Path:
    """Write uint8 (height, width, 3) pictures of one size, as from `grid`, as a GIF that plays for ever.

    fps: frames per second, at most 50 (browsers slow faster GIFs down); the format counts in hundredths of a second.
    hold: seconds for which the last frame stays before the film starts again.
    colours: of the whole film, 2 to 256; fewer make a smaller file. A film that has no more is kept exactly. Any other
        is given the best ones, and a pixel keeps its colour while it changes too little to be seen.
    """
    frames = list(frames)
    _check_film(frames, path, fps, most=50)
    pictures = [_as_pil(frame) for frame in frames]
    if not 2 <= colours <= 256:
        raise UserError(f"colours must be 2 to 256, as a GIF has it, got {colours}")
    durations = [round(100 / fps) * 10] * len(pictures)  # milliseconds; PIL would cut 33 down to 30
    durations[-1] += round(hold * 1000)
    first, *rest = _indexed(pictures, colours)
    # Every frame stays while the next is drawn over it: with `optimize`, only pixels that change are stored.
    options = dict(save_all=True, append_images=rest, duration=durations, loop=0, disposal=1, optimize=True)
    return write_whole(path, lambda partial: first.save(partial, format="GIF", **options))


def write_mp4(frames: Iterable[np.ndarray], path: str | os.PathLike[str], fps: float = 10) -> Path:
    """Write uint8 (height, width, 3) pictures of one size as an MP4 that every browser plays: H.264, in the colours of
    4:2:0, whose detail is half that of light and dark. An odd side is made even by its last row or column, twice.

    fps: frames per second.

    Raises UserError where PyAV is not installed, which brings the encoder: the extra `video` of this package.
    """
    try:
        import av  # torchvision has no writer any more, and torchcodec needs an ffmpeg from elsewhere
    except ImportError as error:
        raise UserError(f"cannot write {path}: an MP4 needs PyAV (pip install av); a .gif needs nothing") from error
    pictures = list(frames)
    _check_film(pictures, path, fps, most=240)
    height, width = (side + side % 2 for side in pictures[0].shape[:2])

    def write(partial: Path) -> None:
        # Its index at the front, so that a page can play it while it loads.
        with av.open(partial, mode="w", format="mp4", options={"movflags": "+faststart"}) as film:
            stream = film.add_stream("libx264", rate=Fraction(fps).limit_denominator(1000), options={"crf": "18"})
            stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
            for picture in pictures:
                whole = np.pad(picture, ((0, height - len(picture)), (0, width - picture.shape[1]), (0, 0)), "edge")
                film.mux(stream.encode(av.VideoFrame.from_ndarray(whole, format="rgb24")))
            film.mux(stream.encode())

    return write_whole(path, write)


def _check_film(pictures: Sequence[np.ndarray], path: str | os.PathLike[str], fps: float, most: int) -> None:
    if not pictures:
        raise UserError(f"cannot write {path}: a film needs at least one frame")
    if len({p.shape for p in pictures}) > 1:
        sizes = sorted({(p.shape[1], p.shape[0]) for p in pictures})
        raise UserError(f"cannot write {path}: its frames differ in size, {sizes}")
    if not 0 < fps <= most:
        raise UserError(f"fps must be above 0 and at most {most}, got {fps:g}")


def _as_pil(picture: np.ndarray) -> Image.Image:
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise UserError(f"expected a uint8 picture (height, width, 3), got {picture.dtype} {picture.shape}")
    if (picture == picture[..., :1]).all():  # grey: a third of the bytes, and exact in a GIF
        return Image.fromarray(np.ascontiguousarray(picture[..., 0]))
    return Image.fromarray(np.ascontiguousarray(picture))


def _indexed(pictures: list[Image.Image], colours: int) -> list[Image.Image]:
    """The frames of a film in one palette: exact where all of them have no more than so many colours together."""
    if colours == 256 and all(picture.mode == "L" for picture in pictures):
        return pictures
    pictures = [picture.convert("RGB") for picture in pictures]
    frames = [np.asarray(picture) for picture in pictures]
    palette = _colours_of(pictures, colours)
    if palette is not None:
        indices = [np.searchsorted(_numbers(palette, 8), _numbers(frame, 8)) for frame in frames]
    else:
        palette = _best_colours(frames, min(colours, 255))  # one of GIF's 256 is left for "as before"
        indices = _nearest(list(_steady(frames)), palette)
    indexed = [Image.fromarray(index.astype(np.uint8)) for index in indices]
    for picture in indexed:
        picture.putpalette(palette.astype(np.uint8).tobytes())
    return indexed


def _colours_of(pictures: list[Image.Image], at_most: int) -> np.ndarray | None:
    """All colours of RGB pictures, sorted (k, 3); None where they are more than so many."""
    colours: set[tuple[int, ...]] = set()
    for picture in pictures:
        found = picture.getcolors(at_most)
        colours.update(cast(tuple[int, ...], colour) for _, colour in found or [])
        if found is None or len(colours) > at_most:
            return None
    return np.array(sorted(colours))


def _best_colours(frames: list[np.ndarray], count: int) -> np.ndarray:
    """So many colours (count, 3) for frames (height, width, 3): averages, but the most frequent ones are exact."""
    some = sorted({round(i) for i in np.linspace(0, len(frames) - 1, 12)})
    strip = np.concatenate([frames[i] for i in some])
    every = round((strip.size / 100_000) ** 0.5) | 1  # odd, so that no checkerboard hides the half of its colours
    sample = Image.fromarray(np.ascontiguousarray(strip[::every, ::every]))
    pixels = sample.width * sample.height
    frequent = sorted((n, colour) for n, colour in sample.getcolors(pixels) or [] if n > 0.01 * pixels)
    exact = [colour for _, colour in frequent[: -count // 2 : -1]]
    averages = sample.quantize(count - len(exact), method=Image.Quantize.MEDIANCUT, kmeans=1).getpalette() or []
    return np.array([*exact, *np.reshape(averages, (-1, 3))][:count])


def _nearest(frames: list[np.ndarray], palette: np.ndarray) -> list[np.ndarray]:
    """For every pixel the index of a colour in the palette that is near: the same for each cell of 4 x 4 x 4 levels,
    the nearest to its middle."""
    cells = [_numbers(frame >> 2, 6) for frame in frames]
    used = np.unique(np.concatenate([np.unique(cell) for cell in cells]))
    index = np.zeros(1 << 18, np.uint8)
    for part in np.array_split(used, len(used) // 4096 + 1):
        middle = 4 * np.stack([part >> 12, part >> 6 & 63, part & 63], 1) + 1.5
        index[part] = (np.square(palette).sum(1) - 2 * middle @ palette.T).argmin(1)  # distance, but for |middle|^2
    index[_numbers(palette >> 2, 6)[::-1]] = np.arange(len(palette))[::-1]  # a colour of the palette stays what it is
    return [index[cell] for cell in cells]


def _numbers(colours: np.ndarray, bits: int) -> np.ndarray:
    """Colours (..., 3) of so many bits a channel as whole numbers, red first."""
    return colours.astype(np.int64) @ [1 << 2 * bits, 1 << bits, 1]


def _steady(frames: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The frames, in which a pixel keeps its colour while it changes too little to be seen."""
    shown = frames[0]
    for frame in frames:
        near = (np.abs(frame.astype(np.int16) - shown) <= _UNSEEN).all(2, keepdims=True)
        shown = np.where(near, shown, frame)
        yield shown
