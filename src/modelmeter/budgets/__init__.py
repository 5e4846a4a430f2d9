"""Budgets: what may be spent, held before a call and settled after it."""
