"""The statements of each schema step, a module a step; a published one is never changed."""
