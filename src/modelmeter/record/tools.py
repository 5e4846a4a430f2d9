"""Tools that a provider runs during a call and bills beside the tokens."""

import msgspec

__all__ = ["NO_TOOLS", "ToolCalls"]


class ToolCalls(msgspec.Struct, frozen=True, omit_defaults=True):
    """How often each tool was used, none negative."""

    web_search: int = 0
    """Searches of the web; Gemini's grounding with Google Search counts here."""
    file_search: int = 0
    """Searches of files that the provider stores."""
    code_execution: int = 0
    """Runs of code on the provider's machines, which it bills by time or session."""
    characters: int = 0
    """Of input, where the provider bills those and not tokens."""


NO_TOOLS = ToolCalls()
