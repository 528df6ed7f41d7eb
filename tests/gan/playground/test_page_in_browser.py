"""The page as people use it: with a mouse, with keys alone, with a finger; by day, by night, with the network off."""

import json
import math
import re

import pytest
import torch
from conftest import ROOT
from in_browser import SCHEMES, WIDTHS, faults, look, page_of
from torch import nn

from fooling.classifiers.load import trained_classifier
from fooling.data.load import load
from fooling.images import Images
from gan.playground.playground import playground

SEVEN = [(8, 7), (19, 7), (18, 11), (15, 17), (13, 22)]


def settled(page):
    """Wait until the climb that a page begins with has come to its end."""
    page.locator("#fool[data-state=done]").wait_for()


def readings(page):
    return [said.replace("\xa0", " ") for said in page.locator("#bars .reading").all_inner_texts()]


def draw(page, places):
    """With the mouse, from place to place on the 28 x 28 pixels."""
    page.locator("#slate").scroll_into_view_if_needed()
    box = page.locator("#slate").bounding_box()
    at = [(box["x"] + (x + 0.5) / 28 * box["width"], box["y"] + (y + 0.5) / 28 * box["height"]) for x, y in places]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=5)
    page.mouse.up()


def pixels(page):
    return page.evaluate("Array.from(drawing.pixels)")


# ---- By hand


def test_what_is_drawn_with_a_mouse_is_read_fooled_and_undone(page):
    page.get_by_role("button", name="Clear").click()
    draw(page, SEVEN)
    assert all(said.startswith("a 7, ") for said in readings(page))
    drawn = pixels(page)
    assert 40 < sum(drawn) < 150 and all(math.isclose(ink * 15, round(ink * 15), abs_tol=1e-4) for ink in drawn)

    page.get_by_role("radio", name="your drawing").check()
    page.get_by_role("radio", name="3", exact=True).check()
    page.get_by_role("button", name="Play").click()
    settled(page)
    page.get_by_role("button", name="Play").wait_for()
    words = page.locator("#words p").all_inner_texts()
    assert len(words) == 2
    for said in words:
        told = r"\w+: Your drawing, called a 7 with .+, is called a 3 with 99\.\d\d % after \d+ steps that moved .+\."
        assert re.fullmatch(told, said.replace("\xa0", " ")), said
    page.locator("#step").fill("0")
    assert page.evaluate("film.tracks.every(t => t.images[0].every((v, i) => v === drawing.pixels[i]))")
    assert page.locator("#tracks .reading").first.inner_text().startswith("a\xa07")
    assert page.locator("#words p").first.inner_text().startswith("lenet: step 0, a")

    page.get_by_role("button", name="Rubber").click()
    draw(page, [(6, 7), (21, 7)])
    assert sum(pixels(page)) < sum(drawn) - 20
    page.get_by_role("button", name="Pen").click()
    page.get_by_role("button", name="Undo").click()
    assert pixels(page) == drawn
    page.get_by_role("button", name="Undo").click()
    assert sum(pixels(page)) == 0


def test_a_drawing_in_a_corner_is_offered_to_be_centred(page):
    page.get_by_role("button", name="Clear").click()
    assert page.locator("#offer").inner_text() == ""
    draw(page, [(1 + x / 2, 1 + y / 2) for x, y in SEVEN])
    assert "Centre puts it" in page.locator("#offer").inner_text()
    page.get_by_role("button", name="Centre").click()
    assert page.locator("#offer").inner_text() == "" and all(said.startswith("a 7, ") for said in readings(page))
    drawn = torch.tensor(pixels(page)).view(28, 28)
    rows, columns = (drawn.sum(dim) for dim in (1, 0))
    assert 18 <= (drawn > 0.1).any(1).sum() <= 22
    for side in (rows, columns):
        assert abs((side * torch.arange(28)).sum() / side.sum() - 14) < 0.3


def test_keys_alone_draw_a_one_and_fool_both_networks(opened, built):
    with page_of(opened, built) as page:
        settled(page)

        def to(name):
            for _ in range(60):
                page.keyboard.press("Tab")
                if page.evaluate("document.activeElement.innerText").startswith(name):
                    return
            raise AssertionError(f"no Tab leads to {name}")

        to("Clear")
        page.keyboard.press("Enter")
        page.keyboard.press("Shift+Tab")  # and back to the drawing, past the tools
        while not page.evaluate("document.activeElement.id === 'slate'"):
            page.keyboard.press("Shift+Tab")
        assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
        for _ in range(9):
            page.keyboard.press("ArrowUp")
        for _ in range(17):
            page.keyboard.press("Space")
            page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowRight")
        assert all(said.startswith("a 1, ") for said in readings(page)), readings(page)
        assert "Row 23, column 16" in page.locator("#pixel").inner_text()
        assert "lenet reads a\xa01" in page.locator("#said").inner_text()
        before = sum(pixels(page))
        for _ in range(4):
            page.keyboard.press("ArrowLeft")
        page.keyboard.press("Shift+ArrowLeft")
        assert sum(pixels(page)) > before + 3
        page.keyboard.press("Control+z")
        assert math.isclose(sum(pixels(page)), before)

        to("Noise")  # the drawing is no trap: Tab goes on
        while page.evaluate("document.activeElement.name") != "from":
            page.keyboard.press("Tab")
        page.keyboard.press("ArrowRight")
        assert page.evaluate("[film.from, film.target]") == ["drawing", 3]
        to("Play")
        page.keyboard.press("Enter")
        page.locator("#words", has_text="is called a\xa03").wait_for()
        settled(page)
        assert page.locator("#words").inner_text().count("is called a\xa03 with 99.") == 2
        assert page.locator("#said").inner_text().count("is called a\xa03") == 2


def test_a_finger_draws_and_does_not_scroll(opened, built):
    with page_of(opened, built, viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True) as page:
        settled(page)
        page.get_by_role("button", name="Clear").tap()
        page.locator("#slate").scroll_into_view_if_needed()
        box, before = page.locator("#slate").bounding_box(), page.evaluate("scrollY")
        touch = page.context.new_cdp_session(page)
        for k in range(12):
            kind = "touchStart" if not k else "touchMove"
            point = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] * (0.2 + 0.05 * k)}
            touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        touch.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        page.wait_for_timeout(100)
        assert sum(pixels(page)) > 30 and page.evaluate("scrollY") == before
        assert all(said.startswith("a 1, ") for said in readings(page))


# ---- Whoever looks at it, and wherever


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", (*WIDTHS, 360))
def test_everything_can_be_reached_and_read(width, scheme, page):
    look(page, width=width, scheme=scheme)
    page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
    assert faults(page) == []


@pytest.mark.parametrize("width", [320, 1280])
def test_whatever_is_pressed_is_large_enough_for_a_finger(width, page):
    look(page, width=width, scheme="light")
    small = page.evaluate(
        """[...document.querySelectorAll("button, select, summary, input:not([type=checkbox])")].filter(e => {
          const box = e.getBoundingClientRect();
          return box.height < 44 || box.width < 44;
        }).map(e => e.id || e.outerHTML)"""
    )
    assert small == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_axe_finds_nothing(scheme, opened, built):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    with page_of(
        opened, built, color_scheme=scheme, bypass_csp=True
    ) as page:  # or the page lets no script of axe's run
        settled(page)
        page.evaluate("document.querySelectorAll('details').forEach(each => { each.open = true; })")
        found = axe.run(page)
        assert found.response["violations"] == [], found.generate_report()


def test_it_asks_for_nothing_and_works_with_the_network_off(opened, built):
    asked = []
    context = opened.new_context(offline=True)
    context.on("request", lambda request: asked.append(request.url))
    page = context.new_page()
    page.goto(built.as_uri())
    settled(page)
    page.reload()
    settled(page)
    context.close()
    assert asked == [built.as_uri()] * 2
    text = built.read_text(encoding="utf-8")
    loads = re.findall(r"""(?:src|href|action|data)\s*=\s*["']?(?!data:)[^\s"'>]+|@import|url\(""", text)
    assert [found for found in loads if "http" in found or "//" in found] == []
    assert "default-src 'none'" in text and "unsafe" not in text


def test_with_reduced_motion_the_end_is_the_same_and_comes_at_once(opened, built):
    ends = []
    for motion in ("reduce", "no-preference"):
        with page_of(opened, built, reduced_motion=motion) as page:
            settled(page)
            page.get_by_role("radio", name="5", exact=True).check()
            page.evaluate("window.shown = 0; const told = showFilm; showFilm = () => { window.shown++; told(); };")
            page.get_by_role("button", name="Play").click()
            settled(page)
            page.get_by_role("button", name="Play").wait_for()
            ends.append((page.locator("#words").inner_text(), page.evaluate("window.shown")))
    assert ends[0][0] == ends[1][0]
    assert ends[0][1] <= 3 < 20 < ends[1][1]


# ---- The address


def test_whoever_opens_the_address_sees_the_same(opened, built):
    with page_of(opened, built) as page:
        settled(page)
        page.get_by_role("button", name="Clear").click()
        draw(page, SEVEN)
        page.locator("#first").select_option("7")
        page.locator("#second").select_option("1")
        page.get_by_role("radio", name="your drawing").check()
        page.get_by_role("radio", name="2", exact=True).check()
        page.get_by_role("button", name="Play").click()
        settled(page)
        page.get_by_role("button", name="Play").wait_for()
        page.locator("#step").fill("5")
        page.locator("#walk").fill("0.5")
        page.wait_for_timeout(500)
        address, before = page.evaluate("location.hash"), seen(page)
    assert len(address) < 700
    with page_of(opened, built, address) as page:
        settled(page)
        page.wait_for_timeout(300)
        assert seen(page) == before
    with page_of(opened, built, "#noise=8&seed=5&target=4&step=2&from=noise") as page:
        settled(page)
        assert page.evaluate("[film.at, film.seed, film.target, drawing.source.kind]") == [2, 5, 4, "noise"]


def seen(page):
    return [pixels(page), readings(page)] + [
        page.locator(where).all_inner_texts()
        for where in ("#tracks .reading", "#words p", "#maps figcaption", "#drawn-read")
    ]


def test_an_address_that_says_nonsense_does_no_harm(opened, built):
    nonsense = "#drawing=!!!&classes=99.x&target=-1&from=moon&seed=1e9&size=NaN&step=many&walk=7_7_a_9&example=<b>"
    with page_of(opened, built, nonsense) as page:
        settled(page)
        assert page.evaluate("[film.target, film.size, film.from, wishes.classes[0]]") == [3, 0.02, "noise", 5]


def test_another_address_in_the_same_window_is_followed(page):
    page.evaluate("location.hash = '#target=6&from=noise&seed=3&step=1'")
    page.wait_for_timeout(100)
    settled(page)
    assert page.evaluate("[film.target, film.seed]") == [6, 3]


# ---- The generator


def test_a_generator_is_walked_turned_climbed_and_drawn_on(page):
    page.locator("#walk").fill("0")
    start = page.evaluate("Array.from(latent())")
    page.locator("#walk").fill("1")
    assert page.evaluate("Array.from(latent())") != start
    page.locator("#minus").select_option(label=page.evaluate("NAMES[asked.minus]"))
    page.locator("#plus").select_option(label="3" if page.evaluate("asked.minus") != 3 else "5")
    page.locator("#strength").fill("4")
    wanted = page.evaluate("NAMES[asked.plus]")
    assert f"lenet: a\xa0{wanted}" in page.locator("#drawn-read").inner_text()

    page.locator("#critic").select_option(label="lenet")
    page.locator("#wanted").select_option("0")
    page.get_by_role("button", name="Climb", exact=True).click()
    page.locator("#climb-said", has_text="A generated image, called").wait_for()
    assert "is called a\xa00 with 99." in page.locator("#climb-said").inner_text()
    with page.expect_download() as caught:
        page.get_by_role("button", name="Save the climb").click()
    assert caught.value.suggested_filename.endswith(".gif")

    page.get_by_role("button", name="Draw on it").click()
    picture = page.evaluate("Array.from(pictureOf(latent()))")
    assert torch.allclose(torch.tensor(pixels(page)), torch.tensor(picture), atol=0.04)
    page.evaluate("$('numbers').open = true")
    assert page.locator("#raw input").count() == 10
    page.locator("#raw input").first.fill("3")
    assert page.evaluate("latent()[0]") == 3


def test_a_climb_can_be_kept_as_a_picture_and_as_a_film(page, tmp_path):
    for button, magic in (("Save a picture", b"\x89PNG"), ("Save a film (GIF)", b"GIF89a")):
        with page.expect_download() as caught:
            page.get_by_role("button", name=button).click()
        caught.value.save_as(tmp_path / caught.value.suggested_filename)
        assert (tmp_path / caught.value.suggested_filename).read_bytes().startswith(magic)


# ---- Other networks


HOSTILE = "</script><script>alert('x')</script>"
STRANGE = ("</script><b>", "Ankle boot, \"high\" & 'low'", "{{data}}", "none at all")


def of_strange_names(classes=4):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        data = load("mnist", "test")
        some = data[data.targets < classes][:60]
        images = Images(some.images, some.targets, STRANGE)
        network = nn.Sequential(nn.Flatten(), nn.Linear(784, classes))
        pixels = some.images.float().flatten(1) / 255
        network[1].weight.data = torch.stack([pixels[some.targets == label].mean(0) for label in range(classes)]) - 0.1
        network.input_shape, network.num_classes = (1, 28, 28), classes
    return network.eval(), images


def test_names_of_networks_and_classes_are_only_names(opened, tmp_path):
    network, images = of_strange_names()
    (file := tmp_path / "hostile.html").write_text(playground({HOSTILE: network, "{{script}}": network}, images=images))
    with page_of(opened, file, viewport={"width": 320, "height": 800}) as page:
        settled(page)
        assert page.locator("#bars h3").all_inner_texts() == [HOSTILE, "{{script}}"]
        assert page.locator("#targets label").all_inner_texts() == [*STRANGE]
        assert page.title() == f"Playground: {HOSTILE}, {{{{script}}}}"
        assert faults(page) == [] and "digit" not in page.locator("main").inner_text()


@pytest.mark.parametrize("names", [("softmax",), ("harden",), ("lenet", "harden", "softmax")], ids=" ".join)
def test_there_may_be_one_network_or_three_and_no_generator(names, opened, tmp_path):
    (file := tmp_path / "some.html").write_text(playground({name: trained_classifier(name) for name in names}))
    with page_of(opened, file) as page:
        settled(page)
        assert page.locator("#tracks .net").count() == len(names) and page.locator("#latents").count() == 0
        bars = [page.locator("#bars .net").nth(k).locator(".row").count() for k in range(len(names))]
        assert bars == [11 if name == "harden" else 10 for name in names]
        for width in (320, 1280):
            look(page, width=width, scheme="dark")
            assert faults(page) == []


def test_each_panel_tells_its_story_in_three_sentences_at_most(page):
    stories = page.locator("section .story").all_inner_texts()
    assert len(stories) == 3
    for story in stories:
        assert 1 <= len(re.findall(r"[.?!](?:\s|$)", story)) <= 3
    assert page.locator("summary", has_text="What am I looking at?").count() == 3


def test_the_page_is_small(built, classifiers):
    page = built.read_text(encoding="utf-8")
    (script,), (data,) = (
        re.findall(f"<script{kind}>(.*?)</script>", page, re.DOTALL) for kind in ("", '[^>]*id="data"')
    )
    assert len(script.encode()) <= 45_000
    assert len(playground(classifiers).encode()) <= 600_000
    held = json.loads(data)
    assert len(held["examples"]["labels"]) == 20 and len(held["classifiers"]) == 2
    assert (ROOT / "gan" / "playground" / "page.html").exists()
