"""What a provider bills beside the kinds of tokens: tools it runs, and units of its own."""

import msgspec

__all__ = ["NO_TOOLS", "ToolCalls"]


class ToolCalls(msgspec.Struct, frozen=True, omit_defaults=True):
    """How much of each was used, none negative."""

    web_search: int = 0
    """Searches of the web; Gemini's grounding with Google Search counts here."""
    web_search_preview: int = 0
    """Searches by the first version of OpenAI's tool, which has prices of its own."""
    file_search: int = 0
    """Searches of files that the provider stores."""
    code_execution: int = 0
    """Runs of code on the provider's machines, which it bills by time or session."""
    image_generation: int = 0
    """Images that another model made for a response, whose tokens its usage does not hold."""
    maps_grounding: int = 0
    """Answers of Gemini that rest on Google Maps."""
    advice: int = 0
    """Consultations of another model amid a call, at that model's prices: Anthropic's advisor."""
    characters: int = 0
    """Of input, where the provider bills those and not tokens."""
    cached_audio: int = 0
    """Of the tokens read from a cache, those of audio: for what they cost more than text."""
    video_input: int = 0
    """Of the input's tokens, those of video: for what they cost more than text."""
    video_output: int = 0
    """Of the output's tokens, those of video: for what they cost more than text."""


NO_TOOLS = ToolCalls()
