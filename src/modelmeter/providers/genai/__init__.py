"""Google GenAI's dialect."""
