"""The funnel as one page to read: no server, no network, no script."""
