"""Every named data set arrives as upright uint8 images with the right labels; a batch depends on its position alone."""

import gzip
import hashlib
import io
import pickle
import shutil
import socket
import struct
import tarfile
from importlib.resources import files

import numpy as np
import pytest
import torch
from PIL import Image

from fooling.data.batches import Batches
from fooling.data.load import DataConfig, held_out, load, load_config
from fooling.errors import MissingFile, UserError
from fooling.images import Images, to_float
from fooling.seeds import seed_of


@pytest.fixture(autouse=True)
def attempts(monkeypatch):
    """The network, cut off: a list of the addresses that something tried to reach."""
    tried = []

    def refuse(*address, **_):
        tried.append(address)
        raise OSError("no network here")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    return tried


# ---- MNIST


def test_the_shipped_files_are_the_canonical_ones():
    sums = {
        "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
    }
    folder = files("fooling") / "mnist"
    found = {n: hashlib.sha256(gzip.decompress((folder / f"{n}.gz").read_bytes())).hexdigest() for n in sums}
    assert found == sums
    assert "Attribution-ShareAlike 3.0" in (folder / "README.md").read_text()


@pytest.mark.parametrize(
    ("split", "counts"),
    [
        ("train", [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]),
        ("test", [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]),
    ],
)
def test_mnist_has_the_known_label_counts_and_brightness(split, counts, attempts):
    data = load("mnist", split)
    assert data.images.shape == (sum(counts), 1, 28, 28) and data.images.dtype == torch.uint8
    assert data.labels.dtype == torch.int64 and data.labels.bincount().tolist() == counts
    assert data.class_names == tuple("0123456789")
    assert data.images.float().mean().item() / 255 == pytest.approx(0.1307, abs=0.002)
    assert attempts == []


def test_mnist_is_upright_and_labelled():
    data = load("mnist", "test")
    means = torch.stack([data.images[data.labels == k].float().mean(0)[0] for k in range(10)])
    assert means[0][14, 14] < 30 < means[0].max()  # a hole in the middle of a 0
    assert means[7][:14].sum() > 1.1 * means[7][14:].sum()  # the bar of a 7 is at its top
    assert means[6][14:].sum() > 1.3 * means[6][:14].sum()  # the ring of a 6 at its bottom
    assert (means[1].sum(1) > 200).sum() > 1.5 * (means[1].sum(0) > 200).sum()  # a 1 stands


# ---- the sets that torchvision downloads, from files that lie there beforehand


def letter(size, channels=1):
    """An F, which no mirroring or turning leaves as it is: uint8 (channels, size, size); red, on a bluish ground."""
    image = np.zeros((size, size), np.uint8)
    stroke, left = size // 8, size // 4
    image[stroke:-stroke, left : left + stroke] = 200
    image[stroke : 2 * stroke, left : -2 * stroke] = 200
    image[size // 2 : size // 2 + stroke, left : size // 2] = 200
    return image[None] if channels == 1 else np.stack([image, image * 0, 255 - image])


def idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">HBB{array.ndim}i", 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder, stem, labels, transposed=False, packed=False):
    folder.mkdir(parents=True)
    glyph = letter(28)[0].T if transposed else letter(28)[0]
    images = [glyph // (i + 1) for i in range(len(labels))]
    for name, array in (("images-idx3", images), ("labels-idx1", labels)):
        if packed:
            (folder / f"{stem}-{name}-ubyte.gz").write_bytes(gzip.compress(idx(array)))
        else:
            (folder / f"{stem}-{name}-ubyte").write_bytes(idx(array))


def write_cifar10(root):
    folder = root / "cifar-10-batches-py"
    folder.mkdir()
    flat = letter(32, 3).reshape(1, -1)
    for k, name in enumerate([*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]):
        (folder / name).write_bytes(pickle.dumps({"data": np.repeat(flat, 2, 0), "labels": [k, 9]}, protocol=2))
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    (folder / "batches.meta").write_bytes(pickle.dumps({"label_names": names}, protocol=2))


def write_svhn(root):
    savemat = pytest.importorskip("scipy.io").savemat
    pixels = np.stack([letter(32, 3).transpose(1, 2, 0)] * 3, axis=3)  # (h, w, c, n)
    for split in ("train", "test"):
        savemat(root / f"{split}_32x32.mat", {"X": pixels, "y": np.array([[10], [1], [9]], np.uint8)})


def write_stl10(root):
    folder = root / "stl10_binary"
    folder.mkdir()
    columns = letter(96, 3).transpose(0, 2, 1).tobytes()  # the file goes down the columns
    for split in ("train", "test"):
        (folder / f"{split}_X.bin").write_bytes(columns * 3)
        (folder / f"{split}_y.bin").write_bytes(bytes([1, 2, 10]))
    (folder / "unlabeled_X.bin").write_bytes(columns)
    names = ["airplane", "bird", "car", "cat", "deer", "dog", "horse", "monkey", "ship", "truck"]
    (folder / "class_names.txt").write_text("\n".join(names) + "\n")


def as_jpeg(pixels):
    stream = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(stream, "JPEG", quality=98, subsampling=0)
    return stream.getvalue()


def write_celeba(root):
    folder = root / "celeba"
    (folder / "img_align_celeba").mkdir(parents=True)
    face = np.zeros((3, 218, 178), np.uint8)
    face[:, 20:198] = np.kron(letter(64, 3), np.ones((1, 3, 3), np.uint8))[:, 7:185, 7:185]  # within the centred square
    names = [f"{i:06d}.jpg" for i in range(1, 6)]
    for name in names:
        (folder / "img_align_celeba" / name).write_bytes(as_jpeg(face))
    rows = lambda values: "".join(f"{name} {values(i)}\n" for i, name in enumerate(names))  # noqa: E731
    (folder / "list_eval_partition.txt").write_text(rows(lambda i: [0, 0, 1, 2, 2][i]))
    (folder / "identity_CelebA.txt").write_text(rows(lambda i: i + 1))
    (folder / "list_bbox_celeba.txt").write_text("5\nimage_id x_1 y_1 width height\n" + rows(lambda i: "1 2 30 40"))
    (folder / "list_landmarks_align_celeba.txt").write_text("5\nlefteye_x lefteye_y\n" + rows(lambda i: "69 109"))
    (folder / "list_attr_celeba.txt").write_text("5\nSmiling Male\n" + rows(lambda i: " 1 -1"))


def write_lsun(root):
    lmdb = pytest.importorskip("lmdb")
    for split, count in (("train", 3), ("val", 1)):
        with (
            lmdb.open(str(root / f"bedroom_{split}_lmdb"), map_size=2**20) as database,
            database.begin(write=True) as t,
        ):
            for i in range(count):
                t.put(f"{i:040x}".encode(), as_jpeg(np.kron(letter(64, 3), np.ones((1, 4, 4), np.uint8))))


SETS = {  # writer, shape of train and of test, labels of train and of test, first and last class
    "cifar10": (write_cifar10, (10, 3, 32, 32), (2, 3, 32, 32), [0, 9, 1, 9, 2, 9, 3, 9, 4, 9], [5, 9],
                ("airplane", "truck")),
    "svhn": (write_svhn, (3, 3, 32, 32), (3, 3, 32, 32), [0, 1, 9], [0, 1, 9], ("0", "9")),
    "stl10": (write_stl10, (3, 3, 96, 96), (3, 3, 96, 96), [0, 1, 9], [0, 1, 9], ("airplane", "truck")),
    "celeba": (write_celeba, (2, 3, 64, 64), (2, 3, 64, 64), None, None, None),
    "lsun": (write_lsun, (3, 3, 64, 64), (1, 3, 64, 64), None, None, None),
}  # fmt: skip


@pytest.fixture
def trusting(monkeypatch):
    """torchvision takes our small files for the real ones."""
    monkeypatch.setattr("torchvision.datasets.utils.check_md5", lambda *a, **k: True)


@pytest.mark.parametrize("name", SETS)
def test_files_already_there_are_read_without_touching_the_network(name, tmp_path, monkeypatch, trusting, attempts):
    write, *shapes_and_labels, class_names = SETS[name]
    write(tmp_path)
    monkeypatch.chdir(tmp_path)
    for split, shape, labels in zip(("train", "test"), shapes_and_labels[:2], shapes_and_labels[2:], strict=True):
        data = load(name, split, root=tmp_path)
        assert data.images.shape == shape and data.images.dtype == torch.uint8
        expected = torch.from_numpy(letter(shape[-1], shape[1]))
        error = (data.images[0].float() - expected.float()).abs()
        if name in ("celeba", "lsun"):  # through JPEG and a resize: only away from the edges
            assert error.mean() < (20 if name == "celeba" else 10)
            turned = [expected.flip(1), expected.flip(2), expected.transpose(1, 2), expected.flip(0)]
            assert all((data.images[0].float() - t.float()).abs().mean() > 2 * error.mean() for t in turned)
            assert data.labels is None
        else:
            assert error.max() == 0
            assert data.labels.tolist() == labels and data.labels.dtype == torch.int64
            assert (data.class_names[0], data.class_names[-1]) == class_names
    assert attempts == []
    assert not list(tmp_path.glob("_cache_*"))  # torchvision's LSUN would pickle its keys here


def test_an_archive_already_there_is_unpacked_without_touching_the_network(tmp_path, trusting, attempts):
    write_cifar10(tmp_path)
    with tarfile.open(tmp_path / "cifar-10-python.tar.gz", "w:gz") as archive:
        archive.add(tmp_path / "cifar-10-batches-py", "cifar-10-batches-py")
    shutil.rmtree(tmp_path / "cifar-10-batches-py")
    assert np.array_equal(load("cifar10", "test", root=tmp_path).images[0], letter(32, 3))
    assert attempts == []


@pytest.mark.parametrize("packed", [False, True], ids=["unpacked", "gzipped"])
@pytest.mark.parametrize(
    ("name", "split", "folder", "stem", "stored", "labels", "last_class"),
    [
        ("fashion-mnist", "train", "FashionMNIST", "train", [0, 9], [0, 9], "Ankle boot"),
        ("fashion-mnist", "test", "FashionMNIST", "t10k", [0, 9], [0, 9], "Ankle boot"),
        ("kmnist", "train", "KMNIST", "train", [0, 9], [0, 9], "wo"),
        ("emnist-letters", "train", "EMNIST", "emnist-letters-train", [1, 26], [0, 25], "z"),
        ("emnist-letters", "test", "EMNIST", "emnist-letters-test", [1, 26], [0, 25], "z"),
        ("emnist-digits", "train", "EMNIST", "emnist-digits-train", [0, 9], [0, 9], "9"),
    ],
)
def test_sets_in_mnists_format_are_upright_and_labelled_from_0(
    name, split, folder, stem, stored, labels, last_class, packed, tmp_path, attempts
):
    # EMNIST's files hold each image transposed (Cohen et al. 2017: they kept MATLAB's column order).
    write_idx(tmp_path / folder / "raw", stem, stored, transposed=folder == "EMNIST", packed=packed)
    data = load(name, split, root=tmp_path)
    assert np.array_equal(data.images[0], letter(28)) and np.array_equal(data.images[1], letter(28) // 2)
    assert data.labels.tolist() == labels and data.class_names[labels[1]] == last_class
    assert attempts == []


@pytest.mark.parametrize(
    ("name", "looked_for"),
    [
        ("fashion-mnist", "FashionMNIST/raw/train-{images-idx3,labels-idx1}-ubyte"),
        ("kmnist", "KMNIST/raw/train-{images-idx3,labels-idx1}-ubyte"),
        ("emnist-letters", "EMNIST/raw/emnist-letters-train-{images-idx3,labels-idx1}-ubyte"),
        ("emnist-digits", "EMNIST/raw/emnist-digits-train-{images-idx3,labels-idx1}-ubyte"),
        ("cifar10", "cifar-10-batches-py/"),
        ("svhn", "{train,test}_32x32.mat"),
        ("stl10", "stl10_binary/"),
        ("celeba", "celeba/img_align_celeba/"),
        ("lsun", "bedroom_train_lmdb/"),
    ],
)
def test_a_download_that_cannot_happen_is_one_line_with_folder_and_files(name, looked_for, tmp_path):
    timeout = socket.getdefaulttimeout()
    with pytest.raises(MissingFile) as caught:
        load(name, root=tmp_path / "data")
    message = str(caught.value)
    assert looked_for in message and str(tmp_path / "data") in message and "\n" not in message
    assert isinstance(caught.value, FileNotFoundError) and socket.getdefaulttimeout() == timeout


@pytest.mark.parametrize(
    "damage", [b"", b"\0\0\x08", b"\0\0\x08\x03\0\0\0\x02", idx(np.zeros((2, 28, 28)))[:-1], idx(np.zeros((9, 28, 28)))]
)
def test_a_damaged_file_is_named(damage, tmp_path):
    write_idx(tmp_path / "KMNIST" / "raw", "train", [1, 2])
    (tmp_path / "KMNIST" / "raw" / "train-images-idx3-ubyte").write_bytes(damage)
    with pytest.raises(UserError, match="KMNIST/raw/train-") as caught:
        load("kmnist", root=tmp_path)
    assert "\n" not in str(caught.value)


DAMAGED = {  # a set, the file of it that is damaged, and what is said
    "cifar10": (write_cifar10, "cifar-10-batches-py/data_batch_1", "cannot read cifar10, cifar-10-batches-py/"),
    "svhn": (write_svhn, "train_32x32.mat", r"cannot read svhn, \{train,test\}_32x32\.mat"),
    "stl10": (write_stl10, "stl10_binary/train_X.bin", "cannot read stl10, stl10_binary/"),
    "celeba": (write_celeba, "celeba/img_align_celeba/000002.jpg", r"not a readable image: .*/000002\.jpg \(not in a"),
    "lsun": (write_lsun, "bedroom_train_lmdb/data.mdb", "cannot read .*/bedroom_train_lmdb"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_is_one_line_too_where_others_read_the_files(name, tmp_path, trusting):
    write, file, message = DAMAGED[name]
    write(tmp_path)
    (tmp_path / file).write_bytes(b"damaged" * 100)
    with pytest.raises(UserError, match=message) as caught:
        load(name, root=tmp_path)
    assert "\n" not in str(caught.value)


def test_an_image_missing_from_celeba_is_named_or_skipped(tmp_path, trusting):
    write_celeba(tmp_path)
    (tmp_path / "celeba/img_align_celeba/000001.jpg").unlink()
    with pytest.raises(UserError, match=r"000001\.jpg \(No such file"):
        load("celeba", root=tmp_path)
    assert len(load("celeba", root=tmp_path, skip_broken=True)) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": "minst"}, "unknown data set 'minst': expected one of mnist, "),
        ({"split": "valid"}, "unknown split 'valid': expected train or test"),
        ({"image_size": 0}, "image_size must be at least 1"),
        ({"channels": 2}, "channels must be 1 .* or 3"),
        ({"test_share": 1.0}, "test_share must be at least 0 and below 1"),
        ({"name": "folder"}, "needs --data.folder"),
        ({"name": "folder", "folder": "/no/such/place"}, "no such folder: /no/such/place"),
        ({"name": "lsun", "category": "../x", "root": "/no/such/place"}, "x_train_lmdb"),
    ],
    ids=["name", "split", "size", "channels", "share", "no folder", "missing folder", "category"],
)
def test_impossible_settings_are_named(arguments, message):
    with pytest.raises(UserError, match=message):
        load(**arguments)


def test_the_default_root_is_a_cache_folder_that_the_environment_can_move(tmp_path, monkeypatch):
    write_idx(tmp_path / "KMNIST" / "raw", "train", [1, 2])
    monkeypatch.setenv("FOOLING_CACHE", str(tmp_path))
    assert load_config(DataConfig(name="kmnist")).labels.tolist() == [1, 2]


# ---- size and colour


@pytest.mark.parametrize("size", [14, 32, 64])
def test_resizing_is_pils_and_colour_repeats_grey(size):
    plain, resized = load("mnist", "test").images, load("mnist", "test", image_size=size, channels=3).images
    assert resized.shape == (10000, 3, size, size) and resized.dtype == torch.uint8
    for i in (0, 5000, 9999):
        pil = Image.fromarray(plain[i, 0].numpy()).resize((size, size), Image.Resampling.BILINEAR)
        for channel in resized[i]:
            assert np.abs(channel.numpy().astype(int) - np.asarray(pil)).max() <= 1


def test_grey_is_the_luma_that_pil_computes(tmp_path, trusting):
    write_cifar10(tmp_path)
    grey = load("cifar10", "test", root=tmp_path, channels=1).images
    pil = np.asarray(Image.fromarray(letter(32, 3).transpose(1, 2, 0).copy()).convert("L"))
    assert grey.shape == (2, 1, 32, 32) and np.abs(grey[0, 0].numpy().astype(int) - pil).max() <= 1


def test_floats_are_between_0_and_1_and_leave_the_bytes_alone():
    pixels = torch.tensor([0, 51, 255], dtype=torch.uint8)
    assert to_float(pixels).tolist() == pytest.approx([0, 0.2, 1]) and pixels.tolist() == [0, 51, 255]
    with pytest.raises(UserError, match="uint8"):
        to_float(torch.ones(3))


# ---- a folder of one's own


def test_first_level_folders_are_the_labels(tmp_path):
    places = ["cats/a.png", "cats/deep/er/b.png", "dogs/c.PNG", "dogs/notes.txt", "empty/readme.md"]
    for i, place in enumerate(places):
        (tmp_path / "animals" / place).parent.mkdir(parents=True, exist_ok=True)
        if place.lower().endswith("png"):
            Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / "animals" / place)
        else:
            (tmp_path / "animals" / place).write_text("no image")
    data = load("folder", folder=tmp_path / "animals", root=tmp_path / "cache", image_size=8)
    assert data.images[:, 0, 0, 0].tolist() == [0, 1, 2] and data.images.shape == (3, 3, 8, 8)
    assert data.labels.tolist() == [0, 0, 1] and data.class_names == ("cats", "dogs")

    Image.new("RGB", (8, 8)).save(tmp_path / "animals" / "stray.png")
    data = load("folder", folder=tmp_path / "animals", root=tmp_path / "cache", image_size=8)
    assert len(data) == 4 and data.labels is None and data.class_names == ()


def test_labels_stay_with_their_images_when_broken_ones_are_skipped(tmp_path):
    for i, name in enumerate(["a/1.png", "a/2.png", "b/3.png"]):
        (tmp_path / "set" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (4, 4), 50 * i).save(tmp_path / "set" / name)
    (tmp_path / "set" / "a" / "1.png").write_bytes(b"not a picture")
    options = dict(folder=tmp_path / "set", root=tmp_path / "cache", image_size=4, channels=1, skip_broken=True)
    options["test_share"] = 0
    for _ in range(2):  # decoded, and read again
        data = load("folder", **options)
        assert data.images[:, 0, 0, 0].tolist() == [50, 100] and data.labels.tolist() == [0, 1]


def folder_of(folder, names):
    """Images of which each has a colour of its own."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        colour = tuple(hashlib.sha256(name.encode()).digest()[:3])
        Image.new("RGB", (4, 4), colour).save(folder / name)
    return folder


NAMES = [f"{kind}/{i}.png" for kind in ("cats", "dogs") for i in range(100)]


def parts(folder, **options):
    """The colours to train on, and those held out."""
    options = dict(folder=folder, root=folder.parent / "cache", image_size=4, **options)
    return [{tuple(c) for c in load("folder", split, **options).images[:, :, 0, 0].tolist()} for split in SPLITS]


SPLITS = ("train", "test")


def test_a_share_of_a_folder_is_held_out_and_another_image_moves_none(tmp_path):
    folder = folder_of(tmp_path / "set", NAMES)
    train, test = parts(folder)
    assert not train & test and len(train | test) == 200 and 10 < len(test) < 35
    folder_of(folder, [f"birds/{i}.png" for i in range(50)] + ["cats/00.png", "dogs/zz.png"])
    more_train, more_test = parts(folder)
    assert train < more_train and test < more_test and len(more_train | more_test) == 252
    largest = parts(folder, test_share=0.5)[1]
    assert more_test < largest and 90 < len(largest) < 165
    assert parts(folder, split_seed=1)[1] != more_test


def test_both_parts_have_their_own_labels_and_are_slices_of_one_array(tmp_path):
    folder = folder_of(tmp_path / "set", NAMES)
    everything = load("folder", folder=folder, root=tmp_path, image_size=4, test_share=0)
    label_of = dict(zip(map(tuple, everything.images[:, :, 0, 0].tolist()), everything.labels.tolist(), strict=True))
    assert len(everything) == 200
    for split in SPLITS:
        data = load("folder", split, folder=folder, root=tmp_path, image_size=4)
        assert [label_of[tuple(c)] for c in data.images[:, :, 0, 0].tolist()] == data.labels.tolist()
        assert data.class_names == ("cats", "dogs") and 0 < data.labels.float().mean() < 1
        assert data.images.untyped_storage().nbytes() == everything.images.nbytes  # nothing was copied out of it


@pytest.mark.parametrize("options", [{"test_share": 0}, {"test_share": 0.001}])
def test_where_nothing_is_held_out_all_is_for_training_and_that_is_said(tmp_path, options):
    folder = folder_of(tmp_path / "set", ["a/1.png", "a/2.png", "b/3.png"])
    config = DataConfig(name="folder", folder=str(folder), root=str(tmp_path), image_size=4, **options)
    assert len(load_config(config)) == 3 and held_out(config) is None
    with pytest.raises(
        UserError, match=r"none of the 3 images in .* is held out for testing, with --data.test_share 0"
    ):
        load_config(config, "test")


def test_every_class_keeps_an_image_to_train_on(tmp_path):
    folder = folder_of(tmp_path / "set", [f"{k}/only.png" for k in range(20)] + [f"{k}/b.png" for k in range(3)])
    options = dict(folder=folder, root=tmp_path, image_size=4, test_share=0.99)
    assert set(load("folder", **options).labels.tolist()) == set(range(20))
    assert len(load("folder", "test", **options)) == 3


# ---- batches


def numbered(n):
    """Images whose pixels say which they are."""
    return Images(torch.arange(n, dtype=torch.uint8).view(n, 1, 1, 1).expand(n, 3, 2, 2), torch.arange(n) * 10)


def test_every_pass_holds_each_image_once_in_an_order_of_its_own():
    batches = Batches(numbered(7), seed=3)
    passes = batches.indices(0, 70).view(10, 7)
    assert (passes.sort(dim=1).values == torch.arange(7)).all()
    assert len({tuple(p.tolist()) for p in passes}) > 8
    assert not torch.equal(passes.flatten(), Batches(numbered(7), seed=4).indices(0, 70))


def test_a_position_holds_the_same_image_whatever_was_asked_before():
    whole = Batches(numbered(7), seed=3).indices(0, 60)
    batches = Batches(numbered(7), seed=3)
    for start, count in [(50, 10), (0, 1), (6, 2), (13, 30), (5, 0), (7, 7), (0, 60)]:
        if count:
            assert torch.equal(batches.indices(start, count), whole[start : start + count])


def test_neighbouring_slices_make_up_the_whole_batch():
    whole, _ = Batches(numbered(10), seed=1).take(36, 8)  # over the end of a pass
    parts = [Batches(numbered(10), seed=1).take(36 + 2 * rank, 2)[0] for rank in range(4)]
    assert torch.equal(torch.cat(parts), whole)


def test_images_come_as_floats_with_their_own_labels():
    images, labels = Batches(numbered(20), seed=0).take(15, 10)
    assert images.shape == (10, 3, 2, 2) and images.dtype == torch.float32
    assert torch.equal((images[:, 0, 0, 0] * 255).round().long() * 10, labels)
    assert Batches(Images(torch.zeros(2, 1, 1, 1, dtype=torch.uint8), None)).take(0, 3)[1] is None


def test_one_image_and_no_image():
    assert Batches(numbered(1)).indices(0, 3).tolist() == [0, 0, 0]
    with pytest.raises(UserError, match="empty"):
        Batches(numbered(0))


def test_on_a_cpu_the_data_is_not_copied():
    data = numbered(5)
    assert Batches(data).images.data_ptr() == data.images.data_ptr()


def test_seeds_do_not_meet():
    parts = [
        (),
        (0,),
        (0, 0),
        (5,),
        (5, 0),
        (0, 5),
        (5, 0, 0),
        ("5",),
        (5, "a"),
        (5, "b"),
        (-5,),
        (2**32 + 5,),
        (2**70,),
    ]
    seeds = {seed_of(*p) for p in parts}
    assert len(seeds) == len(parts) and all(0 <= s < 2**63 for s in seeds)
    assert seed_of(np.int64(5), 1) == seed_of(5, 1)
    assert seed_of(0, "order", 1) == 1332101017241992705  # on every machine, in every release
