"""Speed of modelmeter beside LiteLLM's proxy and Portkey's gateway, over one instant upstream."""
