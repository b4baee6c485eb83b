"""pyarrow's compute functions, which it makes at import time, so that type checkers don't know them."""

from typing import Any

import pyarrow.compute

pc: Any = pyarrow.compute
