"""A prompt's tokens are counted as OpenAI counts them, or stand at their bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelmeter.providers import dialect_for
from modelmeter.providers.openai import tokenizer
from modelmeter.providers.openai.tokenizer import (
    COUNTED_BYTES_MAX,
    load_tokenizers,
    tokens_saved,
)
from modelmeter.record import Operation

SLACK = 8


@pytest.mark.parametrize(
    ("model", "text", "tokens"),
    [
        # The cookbook's examples: https://cookbook.openai.com/examples/how_to_count_tokens_with_tiktoken
        ("gpt-4", "antidisestablishmentarianism", 6),
        ("gpt-4o", "antidisestablishmentarianism", 6),
        ("gpt-4", "2 + 2 = 4", 7),
        ("gpt-4o", "2 + 2 = 4", 7),
        ("gpt-4", "お誕生日おめでとう", 9),
        ("gpt-4o", "お誕生日おめでとう", 8),
        ("gpt-4o-2024-08-06", "<|endoftext|>", 7),
    ],
)
def test_texts_have_the_tokens_that_openai_publishes(model: str, text: str, tokens: int) -> None:
    assert load_tokenizers()
    tokenizer_of_model = tokenizer._tokenizer_of(model)
    assert tokenizer_of_model is not None

    assert len(tokenizer_of_model.encode_ordinary(text)) == tokens


@given(text=st.text(max_size=400), model=st.sampled_from(("gpt-4o", "gpt-4", "ft:gpt-4o:acme")))
def test_never_more_is_saved_than_there_are_bytes(text: str, model: str) -> None:
    assert 0 <= tokens_saved(model, [text]) <= len(text.encode())


@pytest.mark.parametrize("model", ["gpt-6-sol", "mistral-large", "claude-haiku-4-5", ""])
def test_a_model_whose_tokenizer_is_not_known_saves_nothing(model: str) -> None:
    assert tokens_saved(model, ["word " * 1000]) == 0


def test_without_the_vocabularies_texts_stand_at_their_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tokenizer, "_tokenizer", lambda _: None)

    assert tokens_saved("gpt-4o", ["word " * 1000]) == 0


def test_only_so_much_text_is_counted() -> None:
    half = "word " * (COUNTED_BYTES_MAX // 10)

    assert tokens_saved("gpt-4o", [half, half, half]) == tokens_saved("gpt-4o", [half, half])


def test_a_long_prompt_is_bounded_near_its_tokens_and_not_its_bytes() -> None:
    text = "The quick brown fox jumps over the lazy dog. " * 100
    body = b'{"messages":[{"role":"user","content":"%b"}]}' % text.encode()

    demand = dialect_for("openai").demand(Operation.CHAT, "gpt-4o", body, None)

    around = len(body) - len(text)
    assert demand.text_bytes - demand.tokens_saved == len(text) // 4 + SLACK + around


@pytest.mark.parametrize("key", ["parameters", "arguments", "schema"])
def test_what_is_rewritten_for_the_model_is_not_counted(key: str) -> None:
    body = b'{"tools":[{"function":{"%b":"%b"}}]}' % (key.encode(), b"word " * 1000)

    demand = dialect_for("openai").demand(Operation.CHAT, "gpt-4o", body, None)

    assert demand.tokens_saved == 0
