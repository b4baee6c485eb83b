"""What each source of the ed-tech world would have exported at a given moment.

Belongs here: the columns and rows of the sheets, CRM dumps, spend sheet and event file. Does not belong
here: what happened (`edtech_story`), Zoom's files (`zoom_files`).

Every export is a function of the story and the moment: rows not yet there or deleted are missing, later
corrections are not in yet, instalments and advertising costs have only got as far as they had.
"""

import dataclasses
import datetime as dt
from functools import cached_property

import numpy as np
import pandas as pd
import pyarrow as pa

from funnel_assets.simulate import words
from funnel_assets.simulate.csvtext import (
    Text,
    choose,
    csv_bytes,
    glue,
    joined_lines,
    numbers,
    padded,
    pc,
    rupees,
    stamps,
)
from funnel_assets.simulate.edtech_catalogue import CAMPAIGNS, CRM_SOURCES, FUNNELS, PROGRAMMES
from funnel_assets.simulate.edtech_story import ACTIVITY_TYPES, CHANNELS, DAY, Story
from funnel_assets.simulate.faults import ADDED, Faults, Planted, added_cells, junk
from funnel_assets.simulate.rand import Bools, Draws, Ints, share
from funnel_assets.simulate.writers import (
    CRM_STYLES,
    LOST_FROM,
    SALES_STYLES,
    SCIENTIFIC,
    SHEET_STYLES,
    Writers,
    phone_styles,
    phones,
    two_addresses,
)

IST_SECONDS = 19_800
LEADS_HEADER = (
    "Name",
    "Email",
    "Phone number",
    "City",
    "Question 1",
    "utmSource",
    "utmMedium",
    "utmCamp",
    "created date",
)
LANDING_HEADER = (
    "Full Name",
    "Email",
    "Phone number",
    "City",
    "Question 1",
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "Submitted at",
)
RENAMED = (("Phone number", "Phone Number "), ("utmSource", "UTM Source"), ("created date", "Created  Date"))
ASSIGNMENTS_HEADER = ("sources", "assignOn", "leadMobile", "employee")
SALES_HEADER = (
    "_id",
    "status",
    "txn_id",
    "sid",
    "emiId",
    "pId",
    "paymentGateway",
    "target",
    "targetSuperGroup",
    "courseName",
    "source",
    "tokenAmount",
    "WithOut_Token_paidAmount",
    "createdOn",
    "pType",
    "eBookRev",
    "bookRev",
    "paymentType",
    "DP",
    "lastEmiDate",
    "paidAmount",
    "corePartner",
    "StudentContact",
    "StudentSignupDate",
    "StudentName",
    "TotalAmount",
    "product",
    "mandateStatus",
    "StudentEmail",
    "EBook_Net_Amount",
    "Book_Net_Amount",
    "Product_Net_Amount",
    "netAmount",
    "employeeName",
    "employeeTeam",
    "Total_emi",
    "Paid_Emi_Count",
    "Unpaid_Emi_Count",
    "Paid_Emi_Amount",
    "Unpaid_Amount",
    "Last_Paid_Date",
    "netAmountAfterPDD",
    "assignedLeadSources",
    "Funnel",
)
SPEND_HEADER = (
    "date_time",
    "campaign",
    "ad_group",
    "impressions",
    "clicks",
    "cost",
    "account",
    "video_views",
    "platform",
    "AccountDescriptiveName",
    "CampaignType",
    "Objective",
    "Category",
    "subCategory",
    "goalID",
    "goalName",
    "region",
    "Installs",
    "SignUps",
    "Purchases",
    "Revenue",
    "Web Purchases",
    "Web Revenue",
    "Subscribers",
    "Super Leads",
    "Skill Leads",
    "Online Purchases",
    "Online Revenue",
    "Lead Purchases",
    "Lead Revenue",
    "Pass Purchases",
    "Pass Revenue",
    "Pass Pro Purchases",
    "Pass Pro Revenue",
    "SuperCoaching Purchases",
    "SuperCoaching Revenue",
    "SkillAcademy Purchases",
    "SkillAcademy Revenue",
    "Book Purchases",
    "Book Revenue",
    "Total Purchases",
    "Total Revenue",
    "Funnel",
)
_GATEWAYS = ("cards", "upi", "netbanking", "bank_transfer")
_PAGES = ("/fees", "/syllabus", "/faculty", "/blog/first-attempt", "/placements")


@dataclasses.dataclass(frozen=True)
class LeadText:
    """The nine cells of every lead row, and what is wrong with them."""

    columns: tuple[Text, ...]
    phone_then: Text
    phone_style: Ints
    mail_style: Ints


def months_before(day: dt.date, months: int) -> dt.date:
    """Return the same day of the month some months earlier, or that month's last day."""
    index = day.year * 12 + day.month - 1 - months
    year, month = divmod(index, 12)
    for last in (day.day, 30, 29, 28):
        try:
            return dt.date(year, month + 1, last)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")


def sale_state(sales: pd.DataFrame, now: int) -> pd.DataFrame:
    """Work out what each sale looks like at a moment.

    Returns:
        Frame with ``status``, ``paid_count``, ``paid_paise``, ``emi_paid_paise``, ``unpaid_paise``,
        ``net_paise``, ``net_after_pdd_paise``, parts of net, ``last_paid_at``, ``source``, ``funnel``; rows
        as in ``sales``.
    """
    at, emis = sales["at"].to_numpy(), sales["emis"].to_numpy()
    ended = np.minimum(sales["refund_at"].to_numpy(), sales["cancel_at"].to_numpy())
    until = np.minimum(now, ended)
    due = np.clip((until - at) // (30 * DAY), 0, emis)
    count = np.minimum(due, sales["stop_after"].to_numpy())
    emi_paid = count * sales["emi_paise"].to_numpy()
    paid = sales["down_paise"].to_numpy() + emi_paid
    total = sales["total_paise"].to_numpy()
    over = ended <= now
    product_net = np.where(over, 0, (sales["course_paise"].to_numpy() * 100 + 59) // 118)
    ebook_net = np.where(over, 0, (sales["ebook_paise"].to_numpy() * 100 + 52) // 105)
    book_net = np.where(over, 0, sales["book_paise"].to_numpy())
    net = product_net + ebook_net + book_net
    edited = sales["edited_at"].to_numpy() <= now
    status = np.where(
        sales["cancel_at"].to_numpy() <= now,
        3,
        np.where(sales["refund_at"].to_numpy() <= now, 2, np.where(count == emis, 1, 0)),
    )
    return pd.DataFrame(
        {
            "status": status,
            "paid_count": count,
            "bounced": due > count,
            "emi_paid_paise": emi_paid,
            "paid_paise": paid,
            "unpaid_paise": total - paid,
            "product_net_paise": product_net,
            "ebook_net_paise": ebook_net,
            "book_net_paise": book_net,
            "net_paise": net,
            "net_after_pdd_paise": np.where(due > count, net * (paid // 100) // (total // 100), net),
            "last_paid_at": at + count * 30 * DAY,
            "source": np.where(edited, sales["source_then"], sales["source"]),
            "funnel": np.where(edited, sales["funnel_then"], sales["funnel"]),
        },
        index=sales.index,
    )


def spend_state(spend: pd.DataFrame, now: int) -> pd.DataFrame:
    """Work out what the spend sheet shows at a moment: figures settle over three days after the first export.

    Returns:
        Frame with ``shown``, ``cost_paise``, ``clicks``, ``impressions``; rows as in ``spend``.
    """
    age = (now - spend["at"].to_numpy() - 3600) // DAY
    steps = [spend[f"settle_{k}"].to_numpy() for k in (1, 2, 3)]
    part = np.select([age <= 1, age == 2, age == 3], steps, 1000)
    return pd.DataFrame(
        {
            "shown": age >= 1,
            "cost_paise": spend["cost_paise"].to_numpy() * part // 1000,
            "clicks": spend["clicks"].to_numpy() * part // 1000,
            "impressions": spend["impressions"].to_numpy() * part // 1000,
        },
        index=spend.index,
    )


def _activity_metadata(draw: Draws, kind: Ints) -> Text:
    """What an event of each type tells beside who and when, as JSON."""
    page = pa.array(_PAGES).take(pa.array(draw.below(len(kind), len(_PAGES))))
    return choose(
        kind,
        glue('{"page": "', page, '"}'),
        glue('{"link": "', page, '", "position": ', numbers(draw.below(len(kind), 5)), "}"),
        '{"asset": "syllabus.pdf"}',
        '{"slot": "evening"}',
        '{"outcome": "attended"}',
        '{"form": "callback"}',
        '{"stage": "won"}',
    )


def _json_text(text: Text, there: np.ndarray) -> Text:
    """A JSON string, or null where nothing was given; for text without anything to escape."""
    return pc.if_else(pa.array(there), glue('"', text, '"'), "null")


class Exports:
    """All exports of one story but Zoom's; ``now`` is always a wall-clock second in Asia/Kolkata."""

    def __init__(self, story: Story, faults: Faults) -> None:
        self._story = story
        self._faults = faults
        self.writers = Writers(story.seed, story.people)

    def _draw(self, stream: str) -> Draws:
        return Draws(self._story.seed, f"text/{stream}")

    # --- sheets ---------------------------------------------------------------------------------------

    @cached_property
    def lead_text(self) -> LeadText:
        """Cells of all lead rows, copies equal to their originals."""
        leads, people = self._story.leads, self._story.people
        originals = leads[leads["copy_of"] < 0]
        person = originals["person"].to_numpy()
        size, test = len(originals), person < 0
        draw = self._draw("leads")
        name = pc.if_else(pa.array(test), "test", self.writers.typed_names(draw, person))
        second = two_addresses(draw, people, person)
        mail, mail_style = self.writers.typed_emails(
            draw, person, second, originals["mail_fault"].to_numpy() == 1
        )
        mail = pc.if_else(pa.array(test), "test@mail.example.com", mail)
        style = self._lead_phone_styles(draw, originals)
        number, foreign = self.writers.numbers(person, self._moved(originals))
        phone = phones(number, foreign, style)
        then = phones(number, foreign, np.where(test, style, 0))
        city = choose(
            draw.pick(size, [850, 50, 50, 40, 10]),
            self.writers.cities(person),
            pc.utf8_lower(self.writers.cities(person)),
            "",
            glue(self.writers.cities(person), " "),
            "मुंबई",
        )
        answer = pa.array(words.QUESTION_ANSWERS).take(
            pa.array(draw.pick(size, [30, 20, 12, 14, 4, 10, 6, 4]))
        )
        utm = self._utm(draw, originals["campaign"].to_numpy())
        where = np.cumsum(leads["copy_of"].to_numpy() < 0) - 1
        source_row = np.where(leads["copy_of"] >= 0, where[np.maximum(leads["copy_of"].to_numpy(), 0)], where)
        take = pa.array(source_row)
        columns = tuple(
            c.take(take) for c in (name, mail, phone, city, answer, *utm, self._created(originals))
        )
        return LeadText(columns, then.take(take), style[source_row], mail_style[source_row])

    def _moved(self, rows: pd.DataFrame) -> Bools:
        """Rows in which someone who changed their number gives the new one: all but their first."""
        moved = np.concatenate([self._story.people["new_phone"].to_numpy(bool), [False]])[
            rows["person"].to_numpy()
        ]
        order = rows["at"].to_numpy().argsort(kind="stable")
        again = np.empty(len(rows), dtype=bool)
        again[order] = pd.Series(rows["person"].to_numpy()[order]).duplicated().to_numpy()
        return moved & again

    def _lead_phone_styles(self, draw: Draws, rows: pd.DataFrame) -> Ints:
        """Draw how phones are typed; planted faults and test rows have their own."""
        style = phone_styles(draw, len(rows), SHEET_STYLES)
        prefixed = np.array([c.platform == "Meta" for c in CAMPAIGNS])[rows["campaign"].to_numpy()]
        style = np.where((style == 12) & ~prefixed, 0, style)
        fault = rows["phone_fault"].to_numpy()
        natural = (fault == 0) & (rows["person"].to_numpy() >= 0)
        lost = np.where(fault == 2, SCIENTIFIC, LOST_FROM + junk(draw, len(rows)))
        style = np.where(natural, style, lost)
        return np.where((fault == 0) & ~natural, LOST_FROM, style)

    def _utm(self, draw: Draws, campaign: Ints) -> tuple[Text, Text, Text]:
        """The three utm cells; the source sometimes in other case or with a space, as hand-made links have it."""
        pick = pa.array(campaign)
        source = pa.array([c.source for c in CAMPAIGNS]).take(pick)
        style = draw.pick(len(campaign), [940, 25, 20, 15])
        typed = choose(style, source, pc.utf8_upper(source), pc.utf8_capitalize(source), glue(source, " "))
        medium = pa.array([c.medium for c in CAMPAIGNS]).take(pick)
        return typed, medium, pa.array([c.name for c in CAMPAIGNS]).take(pick)

    def _created(self, rows: pd.DataFrame) -> Text:
        at, sheet = rows["at"].to_numpy(), rows["sheet"].to_numpy()
        iso, indian = stamps(at, "%Y-%m-%d %H:%M:%S"), stamps(at, "%d/%m/%Y %H:%M")
        undated = pa.array(np.where(rows["kind"] == "undated", at % 2 + 1, 0))
        return pc.choose(
            undated, choose(sheet, iso, indian), pa.repeat("", len(at)), pa.repeat("#N/A", len(at))
        )

    def lead_rows(self, sheet: int, now: int) -> Ints:
        """Positions of the rows in a sheet at a moment, in the order they stand there."""
        leads = self._story.leads
        there = (leads["sheet"] == sheet) & (leads["visible_at"] <= now) & (leads["deleted_at"] > now)
        rows = np.flatnonzero(there)
        return rows[np.argsort(leads["visible_at"].to_numpy()[rows], kind="stable")]

    def leads(self, sheet: int, now: int) -> bytes:
        """One of the two lead sheets as CSV."""
        rows = self.lead_rows(sheet, now)
        columns = self.lead_cells(rows, now)
        header = list(LEADS_HEADER if sheet == 0 else LANDING_HEADER)
        if sheet == 0 and now >= self.drift_from:
            renamed = dict(RENAMED[: self._faults.renamed_columns])
            header = [renamed.get(name, name) for name in header]
            for number, name in enumerate(ADDED[: self._faults.added_columns]):
                header.append(name)
                columns.append(added_cells(number, rows))
        return csv_bytes(header, columns)

    @property
    def drift_from(self) -> int:
        """When planted header changes appear."""
        calendar = self._story.calendar
        return calendar.end_second - calendar.days * DAY // 4

    def planted_headers(self) -> list[Planted]:
        """Planted header changes, as rows of the answer key."""
        renamed = [("renamed_columns", "raw_leads", i, f"{a} to {b!r}") for i, (a, b) in enumerate(RENAMED)]
        added = [("added_columns", "raw_leads", i, name) for i, name in enumerate(ADDED)]
        return renamed[: self._faults.renamed_columns] + added[: self._faults.added_columns]

    def lead_cells(self, rows: Ints, now: int) -> list[pa.Array]:
        """Cells of lead rows as they stand at a moment (a corrected phone after its correction)."""
        text, take = self.lead_text, pa.array(rows)
        columns = [column.take(take) for column in text.columns]
        fixed = pa.array(self._story.leads["edited_at"].to_numpy()[rows] <= now)
        columns[2] = pc.if_else(fixed, text.phone_then.take(take), columns[2])
        return columns

    # --- CRM ------------------------------------------------------------------------------------------

    @cached_property
    def assignment_phone_style(self) -> Ints:
        """How the CRM holds the phone of each assignment."""
        return phone_styles(self._draw("assignments"), len(self._story.assignments), CRM_STYLES)

    def assignment_rows(self, now: int) -> Ints:
        """Positions of the assignments in the dump of the last three months, newest first."""
        frame = self._story.assignments
        today = dt.date(1970, 1, 1) + dt.timedelta(days=now // DAY)
        since = self._story.calendar.second_of(months_before(today, 3))
        there = (frame["visible_at"] <= now) & (frame["deleted_at"] > now) & (frame["at"] >= since)
        return np.flatnonzero(there)[::-1]

    def assignments(self, now: int) -> bytes:
        """The dump of assignments as CSV."""
        frame, rows = self._story.assignments, self.assignment_rows(now)
        part = frame.iloc[rows]
        edited = part["edited_at"].to_numpy() <= now
        source = np.where(edited, part["source_then"], part["source"])
        employee = np.where(edited, part["employee_then"], part["employee"])
        number, foreign = self.writers.numbers(part["person"].to_numpy())
        return csv_bytes(
            ASSIGNMENTS_HEADER,
            [
                pa.array(CRM_SOURCES).take(pa.array(source)),
                stamps(part["at"].to_numpy(), "%Y-%m-%d %H:%M:%S"),
                phones(number, foreign, self.assignment_phone_style[rows]),
                pa.array(words.EMPLOYEES).take(pa.array(employee)),
            ],
        )

    @cached_property
    def sale_ids(self) -> list[str]:
        """The CRM's 24-digit ids."""
        mixed = (np.arange(len(self._story.sales)) + 1).astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        at = self._story.sales["at"].to_numpy() - IST_SECONDS
        return [f"{second:08x}{int(rest):016x}" for second, rest in zip(at, mixed, strict=True)]

    @cached_property
    def sale_phone_style(self) -> Ints:
        """How the CRM holds the phone of each buyer."""
        return phone_styles(self._draw("sales"), len(self._story.sales), SALES_STYLES)

    def sale_rows(self, now: int) -> Ints:
        """Positions of the sales in the dump, oldest first."""
        frame = self._story.sales
        return np.flatnonzero((frame["visible_at"] <= now) & (frame["deleted_at"] > now))

    def sales(self, now: int) -> bytes:
        """The full dump of sales as CSV, 44 columns; createdOn is in UTC, as the CRM's database has it."""
        rows = self.sale_rows(now)
        sales = self._story.sales.iloc[rows].reset_index(drop=True)
        cells = {**self._sale_money(sales, sale_state(sales, now)), **self._sale_words(sales, rows, now)}
        return csv_bytes(SALES_HEADER, [cells[name] for name in SALES_HEADER])

    def _sale_money(self, sales: pd.DataFrame, state: pd.DataFrame) -> dict[str, pa.Array]:
        emis, token = sales["emis"].to_numpy(), sales["token_paise"].to_numpy()
        amounts = {
            "tokenAmount": token,
            "WithOut_Token_paidAmount": state["paid_paise"].to_numpy() - token,
            "eBookRev": sales["ebook_paise"].to_numpy(),
            "bookRev": sales["book_paise"].to_numpy(),
            "DP": sales["down_paise"].to_numpy(),
            "paidAmount": state["paid_paise"].to_numpy(),
            "TotalAmount": sales["total_paise"].to_numpy(),
            "EBook_Net_Amount": state["ebook_net_paise"].to_numpy(),
            "Book_Net_Amount": state["book_net_paise"].to_numpy(),
            "Product_Net_Amount": state["product_net_paise"].to_numpy(),
            "netAmount": state["net_paise"].to_numpy(),
            "Paid_Emi_Amount": state["emi_paid_paise"].to_numpy(),
            "Unpaid_Amount": state["unpaid_paise"].to_numpy(),
            "netAmountAfterPDD": state["net_after_pdd_paise"].to_numpy(),
        }
        counts = {
            "Total_emi": emis,
            "Paid_Emi_Count": state["paid_count"].to_numpy(),
            "Unpaid_Emi_Count": emis - state["paid_count"].to_numpy(),
        }
        last_emi = stamps(sales["at"].to_numpy() + emis * 30 * DAY - IST_SECONDS, "%Y-%m-%d")
        return {
            **{name: rupees(value) for name, value in amounts.items()},
            **{name: numbers(value) for name, value in counts.items()},
            "lastEmiDate": pc.if_else(pa.array(emis > 0), last_emi, ""),
            "Last_Paid_Date": stamps(state["last_paid_at"].to_numpy() - IST_SECONDS, "%Y-%m-%d"),
            "mandateStatus": choose(
                np.where(
                    emis == 0, 0, np.where(state["bounced"], 2, np.where(state["paid_count"] == emis, 3, 1))
                ),
                "",
                "active",
                "rejected",
                "completed",
            ),
            "status": pa.array(("Active", "Completed", "Refunded", "Cancelled")).take(
                pa.array(state["status"])
            ),
        }

    def _sale_words(self, sales: pd.DataFrame, rows: Ints, now: int) -> dict[str, pa.Array]:
        person, programme = sales["person"].to_numpy(), sales["programme"].to_numpy()
        state = sale_state(sales, now)
        number, foreign = self.writers.numbers(person)
        at, emis = sales["at"].to_numpy(), sales["emis"].to_numpy()
        product = pa.array(PROGRAMMES).take(pa.array(programme))
        funnel = pa.array(FUNNELS).take(pa.array(state["funnel"]))
        untidy = pa.array(sales["manual"].to_numpy() % 50 == 7)
        employee = sales["employee"].to_numpy()
        ids = pa.array([self.sale_ids[row] for row in rows], pa.string())
        return {
            "_id": ids,
            "txn_id": glue("pay_", padded(rows + 1_000_003, 12)),
            "sid": glue("stu_", padded(person, 9)),
            "emiId": pc.if_else(pa.array(emis > 0), glue("emi_", padded(rows, 8)), ""),
            "pId": glue("prd_", padded(programme * 37 + 101, 6)),
            "paymentGateway": pa.array(_GATEWAYS).take(pa.array(sales["gateway"])),
            "target": glue(product, " Level 1"),
            "targetSuperGroup": pa.repeat("Finance", len(sales)),
            "courseName": glue(product, ", complete course"),
            "source": choose(person % 3, "app", "web", "sales_crm"),
            "createdOn": stamps(at - IST_SECONDS, "%Y-%m-%d %H:%M:%S"),
            "pType": choose((sales["book_paise"] > 0).to_numpy().astype(np.int64), "course", "course+book"),
            "paymentType": choose(
                np.where(emis > 0, 1, np.where(sales["token_paise"] > 0, 2, 0)), "FULL", "EMI", "TOKEN"
            ),
            "corePartner": choose(sales["partner"].to_numpy().astype(np.int64), "No", "Yes"),
            "StudentContact": phones(number, foreign, self.sale_phone_style[rows]),
            "StudentSignupDate": stamps(at - 3600 - person % 9 * DAY - IST_SECONDS, "%Y-%m-%d %H:%M:%S"),
            "StudentName": glue(self.writers.first_names(person), " ", self.writers.last_names(person)),
            "product": product,
            "StudentEmail": self.writers.emails(person),
            "employeeName": pa.array(words.EMPLOYEES).take(pa.array(employee)),
            "employeeTeam": pa.array(words.TEAMS).take(pa.array(employee % len(words.TEAMS))),
            "assignedLeadSources": pa.array(CRM_SOURCES).take(pa.array(state["source"])),
            "Funnel": pc.if_else(untidy, glue(funnel, " "), funnel),
        }

    # --- spend and engagement -------------------------------------------------------------------------

    def spend(self, now: int) -> bytes:
        """The spend sheet as CSV, 43 columns; the last three days are not final."""
        state = spend_state(self._story.spend, now)
        shown = state["shown"].to_numpy()
        spend, state = self._story.spend[shown], state[shown]
        size = len(spend)
        campaign = [CAMPAIGNS[i] for i in spend["campaign"]]
        cost = rupees(state["cost_paise"].to_numpy())
        comma = pc.replace_substring_regex(cost, r"^(\d{1,3})(\d{3}\.\d{2})$", r"\1,\2")
        name = pa.array([c.name for c in campaign], pa.string())
        style = spend["style"].to_numpy()
        bought = spend["purchases"].to_numpy()
        earned = rupees(bought * 99_900)
        leads = spend["leads"].to_numpy()
        programme = pa.array([PROGRAMMES[c.programme] for c in campaign], pa.string())
        platform = pa.array([c.platform for c in campaign], pa.string())
        zero, nothing = pa.repeat("0", size), pa.repeat("0.00", size)
        cells: dict[str, pa.Array] = dict.fromkeys(SPEND_HEADER, zero)
        cells |= {column: nothing for column in SPEND_HEADER if column.endswith("Revenue")}
        cells |= {
            "date_time": stamps(spend["at"].to_numpy(), "%Y-%m-%d %H:%M:%S"),
            "campaign": pc.if_else(pa.array(style == 1), pc.utf8_upper(name), name),
            "ad_group": choose(spend["group"].to_numpy(), "broad", "lookalike, 1 %"),
            "impressions": numbers(state["impressions"].to_numpy()),
            "clicks": numbers(state["clicks"].to_numpy()),
            "cost": pc.if_else(pa.array(style < 3), comma, cost),
            "account": glue(pc.utf8_lower(platform), "-main"),
            "video_views": numbers(spend["views"].to_numpy()),
            "platform": platform,
            "AccountDescriptiveName": glue("Academy / ", platform),
            "CampaignType": pa.array([c.medium for c in campaign], pa.string()),
            "Objective": pa.repeat("LEAD_GENERATION", size),
            "Category": programme,
            "subCategory": glue(programme, " Level 1"),
            "goalID": glue("g", numbers(spend["campaign"].to_numpy() + 100)),
            "goalName": pa.repeat("Lead", size),
            "region": choose(spend["campaign"].to_numpy() % 3, "India", "Metro", "Rest of India"),
            "SignUps": numbers(leads),
            "Subscribers": numbers(leads // 3),
            "Super Leads": numbers(leads // 2),
            "Skill Leads": numbers(leads - leads // 2),
            "Book Purchases": numbers(bought),
            "Book Revenue": earned,
            "Web Purchases": numbers(bought),
            "Web Revenue": earned,
            "Online Purchases": numbers(bought),
            "Online Revenue": earned,
            "Purchases": numbers(bought),
            "Revenue": earned,
            "Total Purchases": numbers(bought),
            "Total Revenue": earned,
            "Funnel": pa.array(FUNNELS).take(pa.array(spend["funnel"])),
        }
        return csv_bytes(SPEND_HEADER, [cells[column] for column in SPEND_HEADER])

    def activity_rows(self, now: int) -> Ints:
        """Positions of the events in the event file, in the order they arrived."""
        frame = self._story.activity
        rows = np.flatnonzero(frame["visible_at"] <= now)
        return rows[np.argsort(frame["visible_at"].to_numpy()[rows], kind="stable")]

    def event_ids(self, rows: Ints) -> Text:
        """Event ids; a copy has the id of its original."""
        copy_of = self._story.activity["copy_of"].to_numpy()[rows]
        return glue("evt-", padded(np.where(copy_of >= 0, copy_of, rows), 9))

    def activity(self, now: int) -> bytes:
        """The event file: a JSON list, one object a line."""
        rows = self.activity_rows(now)
        if not len(rows):
            return b"[]\n"
        lines = self.activity_lines[0].take(pa.array(rows))
        return b"[\n" + joined_lines(lines, ",\n")[:-2] + b"\n]\n"

    @cached_property
    def activity_lines(self) -> tuple[Text, Ints]:
        """The JSON object of every event, and how its phone is typed."""
        frame = self._story.activity
        everything = np.arange(len(frame))
        origin = np.where(frame["copy_of"] >= 0, frame["copy_of"], everything)
        draw = self._draw("activity")
        person, kind = frame["person"].to_numpy(), frame["type"].to_numpy()
        size = len(frame)
        mail = self.writers.emails(person, two_addresses(draw, self._story.people, person))
        mail = choose(draw.pick(size, [880, 80, 40]), mail, pc.utf8_capitalize(mail), pc.utf8_upper(mail))
        number, foreign = self.writers.numbers(person)
        style = draw.pick(size, [600, 0, 0, 40, 200, 20, 60, 20, 60])
        phone = phones(number, foreign, style)
        at = frame["at"].to_numpy()
        local = glue(stamps(at, "%Y-%m-%dT%H:%M:%S"), "+05:30")
        in_utc = glue(stamps(at - IST_SECONDS, "%Y-%m-%dT%H:%M:%S"), "Z")
        has_company = draw.chance(size, share(60))
        company = self.writers.company[person]
        metadata = _activity_metadata(draw, kind)
        reach = frame["reach"].to_numpy()
        line = glue(
            '{"event_id": "',
            self.event_ids(everything),
            '", "email": ',
            _json_text(mail, reach != 2),
            ', "phone": ',
            _json_text(phone, reach != 1),
            ', "company": ',
            _json_text(pa.array(words.COMPANIES).take(pa.array(company)), has_company),
            ', "industry": ',
            _json_text(pa.array(words.INDUSTRIES).take(pa.array(company)), has_company),
            ', "event_type": "',
            pa.array(ACTIVITY_TYPES).take(pa.array(kind)),
            '", "channel": "',
            pa.array(CHANNELS).take(pa.array(frame["channel"])),
            '", "event_time": "',
            choose(person % 2, local, in_utc),
            '", "metadata": ',
            metadata,
            "}",
        )
        take = pa.array(origin)
        return line.take(take), style[origin]
