"""A daily sales and marketing funnel as partitioned Dagster assets."""

import os

# Importing pandera sets this to 1, after which pyarrow drops the offset of aware datetimes without a word:
# 00:00+05:30 would become 00:00 UTC. Set before, it is left alone; a test holds it.
os.environ.setdefault("PYARROW_IGNORE_TIMEZONE", "")
