"""Contract of the published mart (SPEC 6): additive figures per day, funnel, source, medium and campaign."""

from pandera.typing import Series

from funnel_assets.contracts.base import Day, Flag, Integer, Model, Text, column, contract


@contract(
    "funnel_marts",
    group="marts",
    grain="one row per day, funnel, source, medium and campaign",
    key=("date", "funnel", "source", "medium", "campaign"),
)
class FunnelMarts(Model):
    """One row per day, funnel, source, medium and campaign. Every count and amount adds up over rows and days.

    Figures of a part that is missing for the day are null, not 0, and its ``has_`` flag is false.
    """

    date: Series[Day] = column("Local day")
    funnel: Series[Text] = column(
        "Funnel category, spelled as in the config files, however its rows write it"
    )
    source: Series[Text] = column("Source; Unknown when there is none")
    medium: Series[Text] = column("Medium; Unknown when there is none")
    campaign: Series[Text] = column("Campaign; Unknown when there is none")
    has_marketing: Series[Flag] = column(
        "Whether the day's marketing part (leads, registrations, attended) is complete"
    )
    has_spend: Series[Flag] = column("Whether the day's spend is there")
    has_sales: Series[Flag] = column("Whether the day's sales part is complete")
    leads: Series[Integer] = column(
        "Unique people whose first touch of the month is on the day", nullable=True, ge=0
    )
    registrations: Series[Integer] = column("Registrations for events held on the day", nullable=True, ge=0)
    attended: Series[Integer] = column("People who attended an event on the day", nullable=True, ge=0)
    handovers: Series[Integer] = column(
        "Phones first assigned to sales in the month on the day", nullable=True, ge=0
    )
    handovers_attended: Series[Integer] = column(
        "Handovers whose phone attended an event", nullable=True, ge=0
    )
    sales: Series[Integer] = column("Paid sales created on the day", nullable=True, ge=0)
    gross_revenue_paise: Series[Integer] = column("Price of the day's paid sales, minor units", nullable=True)
    net_revenue_paise: Series[Integer] = column(
        "Net amount of the day's paid sales, minor units", nullable=True
    )
    spend_paise: Series[Integer] = column("Cost of the day's ads, minor units", nullable=True)
    impressions: Series[Integer] = column(
        "Times ads were shown, as far as the lines of spend say; null if none does", nullable=True, ge=0
    )
    clicks: Series[Integer] = column(
        "Clicks on ads, as far as the lines of spend say; null if none does", nullable=True, ge=0
    )
    spend_lines: Series[Integer] = column("Lines of spend", nullable=True, ge=0)
    impressions_lines: Series[Integer] = column(
        "Lines of spend that state impressions: fewer than spend_lines, and the sum is of a part",
        nullable=True,
        ge=0,
    )
    clicks_lines: Series[Integer] = column(
        "Lines of spend that state clicks: fewer than spend_lines, and the sum is of a part",
        nullable=True,
        ge=0,
    )
    currency: Series[Text] = column("Currency of every amount in the row")
