"""The README's pictures of the page."""

import re

from take_pictures import COLOURS, PICTURES, SIZES, VIEWS, picture_name

README = (PICTURES.parents[1] / "README.md").read_text()
BYTES_MAX = 1_500_000


def test_the_readme_shows_every_picture_that_is_taken() -> None:
    shown = set(re.findall(r"docs/pictures/([\w.-]+)", README))

    taken = {
        picture_name(view, size, colours) for view in VIEWS for size in SIZES for colours in COLOURS
    }
    assert shown == taken == {file.name for file in PICTURES.iterdir()}


def test_the_pictures_are_small() -> None:
    assert sum(file.stat().st_size for file in PICTURES.iterdir()) < BYTES_MAX
