"""What the call of a window's first refusal had asked for."""

__all__ = ["BUDGET_ASKED"]

BUDGET_ASKED = ("ALTER TABLE budget_event ADD COLUMN asked_amount TEXT",)
