"""What clients may say in Cache-Control, and how odd values are read."""

import pytest

from modelmeter.cache.client_wish import NO_WISH, ClientWish, client_wish


@pytest.mark.parametrize(
    ("header", "wish"),
    [
        (None, NO_WISH),
        (b"", NO_WISH),
        (b"no-cache", ClientWish(no_cache=True)),
        (b"No-Store", ClientWish(no_store=True)),
        (b"no-cache, no-store", ClientWish(no_cache=True, no_store=True)),
        (b"max-age=60", ClientWish(max_age_seconds=60)),
        (b' max-age = "60" ,private', ClientWish(max_age_seconds=60)),
        (b"max-age=60, max-age=5", ClientWish(max_age_seconds=5)),
        (b"max-age", ClientWish(max_age_seconds=0)),
        (b"max-age=-1", ClientWish(max_age_seconds=0)),
        (b"max-age=1.5", ClientWish(max_age_seconds=0)),
        (b"max-age=99999999999999999999", ClientWish(max_age_seconds=2**31)),
        (b"public, stale-if-error=3, =, ,,", NO_WISH),
    ],
)
def test_directives_are_understood_and_others_ignored(
    header: bytes | None, wish: ClientWish
) -> None:
    assert client_wish(header) == wish
