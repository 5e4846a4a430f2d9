"""A model's prices as whole numbers: what one token of each kind costs, by length of the input."""

from collections.abc import Iterable, Iterator
from decimal import Decimal, localcontext
from operator import mul
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import asdict, astuple

from modelmeter.record import NO_TOOLS, PICO_PER_USD, PicoUsd, TokenCounts, ToolCalls

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

__all__ = [
    "DEARER_TOKENS",
    "FREE",
    "PriceLine",
    "Rates",
    "compile_rates",
    "decimal_text",
    "line_fields",
]

_KINDS = TokenCounts.__struct_fields__
_KIND_PRICES = {
    "input": ("input_mtok",),
    "cache_read": ("cache_read_mtok", "input_mtok"),
    "cache_write_5m": ("cache_write_5m_mtok", "cache_write_mtok", "input_mtok"),
    "cache_write_1h": ("cache_write_1h_mtok", "cache_write_mtok", "input_mtok"),
    "output": ("output_mtok",),
    "reasoning": ("output_reasoning_mtok", "output_mtok"),
    "audio_input": ("input_audio_mtok", "input_mtok"),
    "audio_output": ("output_audio_mtok", "output_mtok"),
    "image_input": ("input_image_mtok", "input_mtok"),
    "image_output": ("output_image_mtok", "output_mtok"),
}
"""
The catalogue's prices for each kind of token, closest first.

The catalogue's units contain each other (input holds cached and audio input), and a token that
has no price of its own is charged as the unit around it. Our kinds are disjoint, so the closest
price is all that is needed: no taking apart at run time.
"""


_INPUT_PLACES = tuple(
    place for place, kind in enumerate(_KINDS) if _KIND_PRICES[kind][-1] == "input_mtok"
)

_PER_MTOK = 10**6
_PER_KCOUNT = 10**3
_PICO_PER_THOUSANDTH = PICO_PER_USD // _PER_KCOUNT
_TOOL_PRICES = {
    "web_search": ("web_searches_kcount", _PICO_PER_THOUSANDTH),
    "file_search": ("storage_searches_kcount", _PICO_PER_THOUSANDTH),
    "characters": ("input_mchars", PICO_PER_USD // _PER_MTOK),
}
"""The catalogue's prices of uses, and the pico-dollars of one use in one of its USD."""
DEARER_TOKENS = {
    "cached_audio": ("cache_audio_read_mtok", "cache_read"),
    "video_input": ("input_video_mtok", "input"),
    "video_output": ("output_video_mtok", "output"),
}
"""The catalogue's prices of tokens that are counted as text, and the kind they are counted in."""
_DIGITS_MAX = 60
_ALWAYS = -1


class Rates(msgspec.Struct, frozen=True):
    """Integer prices of one model at one time."""

    bands: tuple[tuple[int, tuple[int, ...]], ...]
    """
    Ascending: the number of input tokens above which the band holds, and its price of a token
    of each kind, in the order of `TokenCounts`, in units of 1/``scale`` pico-dollars.
    """
    scale: int = 1
    """A power of ten; 1 unless a price is finer than a pico-dollar a token."""
    call_fee: int = 0
    """What a call costs beside its tokens, in the same unit."""
    tool_fees: tuple[tuple[str, int], ...] = ()
    """What one use of a tool costs, in pico-dollars, for the tools that have a price."""
    unpriced_kinds: tuple[str, ...] = ()
    """Kinds that the catalogue has no price for; they stand in the bands as 0."""

    def unpriced_in(self, tokens: TokenCounts) -> tuple[str, ...]:
        """The kinds that ``tokens`` used and that have no price."""
        return tuple(kind for kind in self.unpriced_kinds if getattr(tokens, kind))

    def charge(self, tokens: TokenCounts) -> PicoUsd | None:
        """
        What ``tokens`` cost, rounded half to even below a pico-dollar; None if a count is negative.

        The whole call is charged at the band its input reaches, cached, audio and image input
        included: https://ai.google.dev/gemini-api/docs/pricing,
        https://platform.claude.com/docs/en/about-claude/pricing.
        """
        counts = astuple(tokens)
        if min(counts) < 0:
            return None
        scaled = self.call_fee + sum(map(mul, counts, self._band(counts)))
        return PicoUsd(scaled if self.scale == 1 else _divide_half_even(scaled, self.scale))

    def dearest(self, kinds: Iterable[str], input_tokens_max: int) -> int:
        """
        The highest price of a token of any of ``kinds``, in 1/``scale`` pico-dollars.

        Of all bands that a call of up to ``input_tokens_max`` can reach.
        """
        places = [_KINDS.index(kind) for kind in kinds]
        return max(
            prices[place]
            for above, prices in self.bands
            if above < input_tokens_max or above == _ALWAYS
            for place in places
        )

    def bands_reached(self, input_tokens: int) -> int:
        """How many bands a call of up to ``input_tokens`` can reach."""
        if len(self.bands) == 1:
            return 1
        return sum(above < input_tokens for above, _ in self.bands)

    def charge_tools(self, tools: ToolCalls) -> tuple[int, tuple[str, ...]]:
        """What the uses of tools cost, in pico-dollars, and which of them have no price."""
        if tools == NO_TOOLS:
            return 0, ()
        fees = dict(self.tool_fees)
        used = [(tool, count) for tool, count in asdict(tools).items() if count]
        cost = sum(count * fees.get(tool, 0) for tool, count in used)
        return cost, tuple(tool for tool, _ in used if tool not in fees)

    def lines(self, tokens: TokenCounts, tools: ToolCalls = NO_TOOLS) -> "list[PriceLine]":
        """What each kind of ``tokens``, the call itself and each tool cost, if it has a price."""
        counts = astuple(tokens)
        unit = Decimal(self.scale)
        lines = [
            _line(kind, count, price / unit)
            for kind, count, price in zip(_KINDS, counts, self._band(counts), strict=True)
            if count and kind not in self.unpriced_kinds
        ]
        if self.call_fee:
            lines.append(_line("call", 1, self.call_fee / unit))
        if tools == NO_TOOLS:
            return lines
        fees = dict(self.tool_fees)
        return lines + [
            _line(tool, count, Decimal(fees[tool]))
            for tool, count in asdict(tools).items()
            if count and fees.get(tool)
        ]

    def _band(self, counts: tuple[int, ...]) -> tuple[int, ...]:
        prices = self.bands[0][1]
        if len(self.bands) > 1:
            reached = sum(counts[place] for place in _INPUT_PLACES)
            for above, band in self.bands:
                if reached > above:
                    prices = band
        return prices


class PriceLine(msgspec.Struct, frozen=True):
    """What the tokens of one kind, or the uses of one tool, cost; exact decimals."""

    kind: str
    """A kind of token, ``call`` for what the call itself costs, or a tool."""
    tokens: int
    """Or uses."""
    usd_per_million: Decimal
    usd: Decimal


def decimal_text(value: Decimal) -> str:
    """Exact, without an exponent and without zeros at the end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def line_fields(line: PriceLine) -> dict[str, object]:
    """For JSON."""
    return {
        "kind": line.kind,
        "tokens": line.tokens,
        "usd_per_million": decimal_text(line.usd_per_million),
        "usd": decimal_text(line.usd),
    }


_NO_TOKENS = ((_ALWAYS, (0,) * len(_KINDS)),)

FREE = Rates(bands=((_ALWAYS, (0,) * len(_KINDS)),))
"""A model that is free of charge on purpose."""


def compile_rates(prices: "ModelPrice", share: Decimal = Decimal(1)) -> Rates | None:
    """Turn a ``share`` of the prices into integers; None if none of them is for tokens."""
    fees = (*_tool_fees(prices), *_dearer_tokens(prices, share))
    by_kind = {kind: _closest_price(prices, _KIND_PRICES[kind]) for kind in _KINDS}
    priced = [price for price in by_kind.values() if price is not None]
    if not priced:
        # Characters are a use like a tool's: what is billed by them has no price of tokens.
        return (
            Rates(_NO_TOKENS, tool_fees=fees, unpriced_kinds=_KINDS)
            if prices.input_mchars
            else None
        )
    starts = (_ALWAYS, *sorted({start for price in priced for start in _starts(price)}))
    fee = prices.requests_kcount
    with localcontext() as context:
        context.prec = _DIGITS_MAX
        exact = [
            [
                Decimal(0)
                if price is None
                else _price_above(price, start) * share * PICO_PER_USD / _PER_MTOK
                for price in by_kind.values()
            ]
            for start in starts
        ]
        exact_fee = (
            Decimal(0) if fee is None else _price_above(fee, _ALWAYS) * PICO_PER_USD / _PER_KCOUNT
        )
        scale = _common_scale([exact_fee, *(price for band in exact for price in band)])
        return Rates(
            bands=tuple(
                (start, tuple(int(price * scale) for price in band))
                for start, band in zip(starts, exact, strict=True)
            ),
            scale=scale,
            call_fee=int(exact_fee * scale),
            tool_fees=fees,
            unpriced_kinds=tuple(kind for kind, price in by_kind.items() if price is None),
        )


def _tool_fees(prices: "ModelPrice") -> tuple[tuple[str, int], ...]:
    """No share is taken of them: tiers are about tokens."""
    fees = [(tool, getattr(prices, name), unit) for tool, (name, unit) in _TOOL_PRICES.items()]
    return tuple(
        (tool, int(_price_above(fee, _ALWAYS) * unit))
        for tool, fee, unit in fees
        if fee is not None
    )


def _dearer_tokens(prices: "ModelPrice", share: Decimal) -> Iterator[tuple[str, int]]:
    """What a token of cached audio, or of video, costs more than one of text, in pico-dollars."""
    for use, (name, kind) in DEARER_TOKENS.items():
        text = _closest_price(prices, _KIND_PRICES[kind])
        if text is None:
            continue
        own: Decimal | TieredPrices | None = getattr(prices, name)
        more = _price_above(text if own is None else own, _ALWAYS) - _price_above(text, _ALWAYS)
        yield use, int(max(more, Decimal(0)) * share * PICO_PER_USD / _PER_MTOK)


def _closest_price(prices: "ModelPrice", names: tuple[str, ...]) -> "Decimal | TieredPrices | None":
    found: Iterator[Decimal | TieredPrices | None] = (getattr(prices, name) for name in names)
    return next((price for price in found if price is not None), None)


def _starts(price: "Decimal | TieredPrices") -> tuple[int, ...]:
    return () if isinstance(price, Decimal) else tuple(tier.start for tier in price.tiers)


def _price_above(price: "Decimal | TieredPrices", start: int) -> Decimal:
    """The price that holds for inputs just above ``start`` tokens."""
    if isinstance(price, Decimal):
        return price
    return next(
        (tier.price for tier in reversed(price.tiers) if tier.start <= start),
        price.base,
    )


def _line(kind: str, count: int, pico_each: Decimal) -> PriceLine:
    with localcontext() as context:
        context.prec = _DIGITS_MAX
        return PriceLine(
            kind, count, pico_each * _PER_MTOK / PICO_PER_USD, count * pico_each / PICO_PER_USD
        )


def _common_scale(prices: Iterable[Decimal]) -> int:
    """The smallest power of ten that makes each of ``prices`` whole."""
    places = 0
    for price in prices:
        exponent = price.normalize().as_tuple().exponent
        if isinstance(exponent, int):
            places = max(places, -exponent)
    return int(10**places)


def _divide_half_even(scaled: int, scale: int) -> int:
    whole, rest = divmod(scaled, scale)
    if rest * 2 > scale or (rest * 2 == scale and whole % 2):
        return whole + 1
    return whole
