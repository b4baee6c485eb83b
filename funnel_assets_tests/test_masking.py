"""Phones and e-mails are hidden in any text; ids, hashes and amounts, which tell what is meant, aren't."""

import pytest

from funnel_assets.masking import mask_text


@pytest.mark.parametrize(
    "text",
    [
        "campaign 120210000000000017",
        "sale 64f1c0ffee1234567890abcd",
        "550e8400-e29b-41d4-a716-446655440000",
        "3f9876543210bc9876543210aa9876543210ffee",
        "spent 30590879.82 of 123456789.5",
        "2026-03-31 18:05:00",
    ],
)
def test_ids_hashes_and_amounts_stay(text: str) -> None:
    assert mask_text(text) == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("call 9876543210 now", "call ********10 now"),
        ("Ph9876543210", "Ph********10"),
        ("lead_9876543210", "lead_********10"),
        ("919876543210.0", "***********00"),
        ("+91 98765-43210", "**********10"),
        ("98765.43210", "********10"),
        ("9876543210 9876543211", "******************11"),
        ("asha@example.com 9876543210", "a***@***.com ********10"),
    ],
)
def test_phones_and_emails_are_hidden_however_they_stand(text: str, expected: str) -> None:
    assert mask_text(text) == expected
