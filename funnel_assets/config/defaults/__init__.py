"""The config files as they are before anyone has edited them, and an example of ``sources.yaml``."""
