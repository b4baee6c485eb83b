"""The contract of every dataset: the truth about its columns.

Belongs here: pandera models and what is derived from them. Does not belong here: how rows come to be.
"""

from funnel_assets.contracts import marketing, marts, sales
from funnel_assets.contracts.base import CONTRACTS, Contract

__all__ = ["CONTRACTS", "Contract", "marketing", "marts", "sales"]
