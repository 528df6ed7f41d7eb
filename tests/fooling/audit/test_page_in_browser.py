"""The page of an audit is read on a telephone as on a desk, by day and by night."""

import pytest
import torch
from in_browser import SCHEMES, WIDTHS, browser, faults, look, page_of
from torch import nn

from fooling.audit.examine import Effort, examine
from fooling.audit.page import audit_page
from fooling.classifiers.judge import JudgeScore
from fooling.classifiers.load import Adapted
from fooling.images import Images

NAMES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Ankle boot <script>alert('x')</script>")


@pytest.fixture(scope="module")
def opened():
    with browser() as opened:
        yield opened


class Stairs(nn.Module):
    """Whatever comes behind it has no gradient."""

    def forward(self, images):
        return (images * 8).round() / 8


@pytest.fixture(scope="module")
def page(opened, tmp_path_factory):
    """About two networks that were never trained, one of which hides its gradient."""
    effort, reports = Effort(images=2, steps=2, restarts=0, walks=2, walk_steps=2), []
    with torch.random.fork_rng():
        torch.manual_seed(0)
        images = Images(torch.randint(256, (60, 1, 28, 28), dtype=torch.uint8), torch.arange(60) % 5, NAMES)
        plain, judge = (nn.Sequential(nn.Flatten(), nn.Linear(784, 5)) for _ in range(2))
        plain[1].weight.data *= 20  # so that it is sure of something
        networks = {"plain": plain, "theirs.models.vision:a_network_of_a_long_name": nn.Sequential(Stairs(), plain)}
        for label, network in networks.items():
            network = Adapted(network, input_shape=(1, 28, 28))
            report = examine(label, network, images, {}, judge, plain, effort, seed=0, score=JudgeScore(0.31, 60))
            reports.append(report)
    file = tmp_path_factory.mktemp("page") / "audit.html"
    file.write_text(audit_page(reports, effort, seed=0), encoding="utf-8")
    with page_of(opened, file) as page:
        yield page


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_every_figure_can_be_reached_and_read(width, scheme, page):
    look(page, width=width, scheme=scheme)
    assert faults(page) == []


def test_the_verdict_is_there_before_anybody_scrolls(page):
    assert page.locator("td").count() > 300 and page.locator("figure img").count() > 40
    look(page, width=390, scheme="light")
    first = page.locator(".card").first
    assert "Whether plain can be fooled is unclear" in first.inner_text()
    assert first.inner_text().count("if the judge is right") == 2
    box = first.bounding_box()
    assert box["y"] + box["height"] < 800


BROKEN = {
    "scrolls sideways": "<table><tr><td><div style='width: 900px'>a figure</div></table>",
    "is behind": "<div style='position: relative'><dd>0.3</dd><b style='position: absolute; inset: 0'>no</b></div>",
    "is written in": "<p style='font-size: 9px'>small</p>",
    "has a contrast of": "<p style='color: #999'>pale</p>",
    "is only 20 x 20 px": "<img alt=dot style='display: block; width: 20px; height: 20px'>",
    "has not loaded": "<img alt=nothing width=80 height=80 src='data:image/png;base64,AAAA'>",
    "an image has no words": "<img width=80 height=80 src='data:image/png;base64,AAAA'>",
    "follows a heading of level 1": "<h3>too deep</h3>",
    "is not shown": "<dl><dd style='display: none'>0.3</dd></dl>",
    "is cut off": "<div style='width: 100px; overflow: hidden'><table style='width: 300px'><tr><td>0.3</table></div>",
    "goes from": "<dl><dd style='margin-left: -60px'>0.3</dd></dl>",
}


@pytest.fixture(scope="module")
def empty(opened, tmp_path_factory):
    (file := tmp_path_factory.mktemp("empty") / "empty.html").write_text("")
    with page_of(opened, file) as page:
        look(page, width=390, scheme="light")
        yield page


@pytest.mark.parametrize("fault", BROKEN)
def test_what_a_reader_would_stumble_over_is_found(fault, empty):
    empty.set_content(f"<!doctype html><html lang=en><title>x</title><h1>x</h1>{BROKEN[fault]}")
    assert fault in " / ".join(faults(empty))
