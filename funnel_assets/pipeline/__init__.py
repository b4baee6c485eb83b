"""How a dataset's days are made: inputs from the lake, one call into the domain, a checked write.

Belongs here: what joins sources, domain and storage, with no orchestrator, so that tests, the command line and
Dagster all run the same code. Does not belong here: rules about rows (``domain``), or when to run (Dagster).
"""
