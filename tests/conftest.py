"""Random examples have no time limit: how fast a machine is says nothing of what is right."""

from hypothesis import settings

settings.register_profile("modelmeter", deadline=None)
settings.load_profile("modelmeter")
