"""The secret of tests: the same in every home, so that their rows can be compared."""

from funnel_assets.domain.link_rows import Names
from funnel_assets.storage.secret import pseudonyms_of

SECRET = "only-for-tests-0123456789abcdefghij"
PSEUDONYMS = pseudonyms_of(SECRET)
NAMES = Names(PSEUDONYMS)
