"""The providers' own SDKs as senders: each an optional extra, loaded when first called."""
