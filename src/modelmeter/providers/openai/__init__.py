"""OpenAI's dialect, which many other providers speak too."""
