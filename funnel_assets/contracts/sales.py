"""Contracts of Part 2: from the handed-over lead to the money (SPEC 4, 6; seed 001 Phases 1 and 2)."""

from pandera.typing import Series

from funnel_assets.contracts.base import Day, Flag, Integer, Model, Number, Text, Timestamp, column, contract

ATTENDED = ("Yes", "No", "0")


@contract(
    "crm_assignments", group="sales", grain="one row per assignment in the CRM dump", key=("assignment_id",)
)
class CrmAssignments(Model):
    """One row per assignment of a lead to an employee."""

    date: Series[Day] = column("Local day of the assignment")
    assignment_id: Series[Text] = column("Hash of the row's content")
    source_name: Series[Text] = column("Name of the source in sources.yaml")
    assigned_at: Series[Timestamp] = column("When the lead was assigned (UTC)", sheet="assignOn")
    lead_source: Series[Text] = column("Source as the CRM names it", nullable=True, sheet="sources")
    phone: Series[Text] = column("Phone in digits with country code", personal=True, sheet="leadMobile")
    phone_key: Series[Text] = column("Pseudonym of the phone")
    employee: Series[Text] = column("Sales employee the lead went to", nullable=True, sheet="employee")
    dump_rank: Series[Integer] = column(
        "Place in the dump's order among assignments of this phone at this very moment; 0 for the first or only one",
        ge=0,
    )


@contract("crm_sales", group="sales", grain="one row per sale (_id)", key=("sale_id",))
class CrmSales(Model):
    """One row per sale in the CRM dump: its 44 columns, typed (seed 001 Phase 2)."""

    date: Series[Day] = column("Local day the sale was created")
    sale_id: Series[Text] = column("Identity in the CRM", sheet="_id")
    source_name: Series[Text] = column("Name of the source in sources.yaml")
    currency: Series[Text] = column("Currency of every amount in the row")
    status: Series[Text] = column("Payment status", nullable=True, sheet="status")
    txn_id: Series[Text] = column("Transaction id", nullable=True, sheet="txn_id")
    sid: Series[Text] = column("Student id", nullable=True, sheet="sid")
    emi_id: Series[Text] = column("Instalment plan id", nullable=True, sheet="emiId")
    p_id: Series[Text] = column("Product id", nullable=True, sheet="pId")
    payment_gateway: Series[Text] = column("Payment gateway", nullable=True, sheet="paymentGateway")
    target: Series[Text] = column("Target", nullable=True, sheet="target")
    target_super_group: Series[Text] = column("Target super group", nullable=True, sheet="targetSuperGroup")
    course_name: Series[Text] = column("Course", nullable=True, sheet="courseName")
    lead_source: Series[Text] = column("Source as the CRM names it", nullable=True, sheet="source")
    token_amount_paise: Series[Integer] = column(
        "Token paid first, minor units", nullable=True, sheet="tokenAmount"
    )
    without_token_paid_amount_paise: Series[Integer] = column(
        "Paid besides the token", nullable=True, sheet="WithOut_Token_paidAmount"
    )
    created_at: Series[Timestamp] = column("When the sale was created (UTC)", sheet="createdOn")
    p_type: Series[Text] = column("Product type", nullable=True, sheet="pType")
    ebook_revenue_paise: Series[Integer] = column("E-book revenue", nullable=True, sheet="eBookRev")
    book_revenue_paise: Series[Integer] = column("Book revenue", nullable=True, sheet="bookRev")
    payment_type: Series[Text] = column("Payment type", nullable=True, sheet="paymentType")
    down_payment_paise: Series[Integer] = column("Down payment", nullable=True, sheet="DP")
    last_emi_date: Series[Day] = column("Day of the last instalment", nullable=True, sheet="lastEmiDate")
    paid_amount_paise: Series[Integer] = column("Paid so far", nullable=True, sheet="paidAmount")
    core_partner: Series[Text] = column("Core partner", nullable=True, sheet="corePartner")
    phone: Series[Text] = column(
        "Student's phone in digits with country code", nullable=True, personal=True, sheet="StudentContact"
    )
    phone_key: Series[Text] = column("Pseudonym of the phone", nullable=True)
    student_signup_at: Series[Timestamp] = column(
        "When the student signed up (UTC)", nullable=True, sheet="StudentSignupDate"
    )
    student_name: Series[Text] = column("Student's name", nullable=True, personal=True, sheet="StudentName")
    total_amount_paise: Series[Integer] = column(
        "Price of the sale: gross revenue", nullable=True, sheet="TotalAmount"
    )
    product: Series[Text] = column("Product", nullable=True, sheet="product")
    mandate_status: Series[Text] = column("Mandate status", nullable=True, sheet="mandateStatus")
    email: Series[Text] = column(
        "Student's e-mail in lower case", nullable=True, personal=True, sheet="StudentEmail"
    )
    email_key: Series[Text] = column("Pseudonym of the e-mail", nullable=True)
    external_key: Series[Text] = column("Pseudonym of the source's own id of the person", nullable=True)
    ebook_net_amount_paise: Series[Integer] = column(
        "E-book net amount", nullable=True, sheet="EBook_Net_Amount"
    )
    book_net_amount_paise: Series[Integer] = column("Book net amount", nullable=True, sheet="Book_Net_Amount")
    product_net_amount_paise: Series[Integer] = column(
        "Product net amount", nullable=True, sheet="Product_Net_Amount"
    )
    net_amount_paise: Series[Integer] = column("Net revenue of the sale", nullable=True, sheet="netAmount")
    employee_name: Series[Text] = column("Sales employee", nullable=True, sheet="employeeName")
    employee_team: Series[Text] = column("Team of the employee", nullable=True, sheet="employeeTeam")
    total_emi: Series[Integer] = column("Instalments agreed", nullable=True, sheet="Total_emi")
    paid_emi_count: Series[Integer] = column("Instalments paid", nullable=True, sheet="Paid_Emi_Count")
    unpaid_emi_count: Series[Integer] = column("Instalments open", nullable=True, sheet="Unpaid_Emi_Count")
    paid_emi_amount_paise: Series[Integer] = column(
        "Instalments paid, amount", nullable=True, sheet="Paid_Emi_Amount"
    )
    unpaid_amount_paise: Series[Integer] = column("Amount open", nullable=True, sheet="Unpaid_Amount")
    last_paid_date: Series[Day] = column("Day of the last payment", nullable=True, sheet="Last_Paid_Date")
    net_amount_after_pdd_paise: Series[Integer] = column(
        "Net amount after PDD", nullable=True, sheet="netAmountAfterPDD"
    )
    assigned_lead_sources: Series[Text] = column(
        "Sources of the lead's assignments", nullable=True, sheet="assignedLeadSources"
    )
    funnel: Series[Text] = column("Funnel as the CRM query gives it", nullable=True, sheet="Funnel")


@contract(
    "assigned_leads",
    group="sales",
    grain="one row per phone and calendar month, on the day of the month's first assignment",
    key=("date", "phone_key"),
)
class AssignedLeads(Model):
    """One row per phone whose first assignment of the calendar month is on this day (seed 001 Phase 1)."""

    date: Series[Day] = column("Local day of the month's first assignment")
    person_id: Series[Text] = column("Stable pseudonym of the person")
    phone: Series[Text] = column("Phone in digits with country code", personal=True)
    phone_key: Series[Text] = column("Pseudonym of the phone")
    assigned_at: Series[Timestamp] = column("First assignment of the calendar month (UTC)")
    first_source: Series[Text] = column("Source of the first assignment", nullable=True)
    funnel: Series[Text] = column("Funnel of the first source; Other Sources (Miscellaneous) when unmapped")
    employee: Series[Text] = column("Employee of the first row of the dump's order in time", nullable=True)
    attended: Series[Text] = column(
        "Yes or No from Zoom by phone, 0 where Zoom never saw the phone", isin=ATTENDED
    )
    assignments: Series[Integer] = column("Assignments of the phone on this day", ge=1)
    assigned_late_days: Series[Integer] = column(
        "Days from the phone's first attendance to the assignment; null if it never attended before",
        nullable=True,
    )


@contract("sales_enriched", group="sales", grain="one row per sale (_id)", key=("sale_id",))
class SalesEnriched(CrmSales):
    """One row per sale: the CRM's 44 columns, the final funnel, attendance and the first touch (seed 001 Phase 2)."""

    person_id: Series[Text] = column("Stable pseudonym of the person")
    is_paid: Series[Flag] = column("Whether the sale counts: its status isn't failed, cancelled or refunded")
    manual_mapping: Series[Text] = column("Value of manual_mapping.csv for the sale", nullable=True)
    final_funnel: Series[Text] = column("Funnel after the sheet's FINAL FUNNEL formula")
    final_funnel_rule: Series[Text] = column(
        "Branch of the formula that decided",
        isin=("manual_lookup", "miscellaneous_kept", "manual_value", "crm_funnel"),
    )
    attended: Series[Text] = column(
        "Yes or No from Zoom by phone, 0 where Zoom never saw the phone", isin=ATTENDED
    )
    first_touch_at: Series[Timestamp] = column(
        "Earliest touch of the sale's calendar month (UTC)", nullable=True
    )
    first_source: Series[Text] = column("Source of the month's first touch", nullable=True)
    first_medium: Series[Text] = column("Medium of the month's first touch", nullable=True)
    first_campaign: Series[Text] = column("Campaign of the month's first touch", nullable=True)
    first_funnel: Series[Text] = column("Funnel of the month's first touch", nullable=True)
    origin_touch_at: Series[Timestamp] = column("Earliest touch of the 90-day look-back (UTC)", nullable=True)
    origin_source: Series[Text] = column("Source of the look-back's first touch", nullable=True)
    origin_medium: Series[Text] = column("Medium of the look-back's first touch", nullable=True)
    origin_campaign: Series[Text] = column("Campaign of the look-back's first touch", nullable=True)
    origin_funnel: Series[Text] = column("Funnel of the look-back's first touch", nullable=True)
    ever_touch_at: Series[Timestamp] = column(
        "First touch ever (UTC), days before FUNNEL_START_DATE included; up to 31 days after the sale, where there is "
        "none before it",
        nullable=True,
    )
    ever_source: Series[Text] = column("Source of the first touch ever", nullable=True)
    ever_medium: Series[Text] = column("Medium of the first touch ever", nullable=True)
    ever_campaign: Series[Text] = column("Campaign of the first touch ever", nullable=True)
    ever_funnel: Series[Text] = column("Funnel of the first touch ever", nullable=True)
    days_to_revenue: Series[Integer] = column(
        "Local days from the first touch ever to the sale; negative where the touch came later; null without a touch",
        nullable=True,
    )
    is_sold_before_touch: Series[Flag] = column(
        "Whether the sale is dated before the first touch ever: days_to_revenue is negative"
    )


@contract(
    "sale_credit",
    group="sales",
    grain="one row per paid sale, model and touch that has credit in it",
    key=("sale_id", "model", "touch_number"),
)
class SaleCredit(Model):
    """One row per paid sale, attribution model and touch of the 90-day look-back with credit in the sale (SPEC 6).

    Each model adds up to the sale's revenue to the paisa: add up one model at a time. ``first_touch`` is the origin of
    sales_enriched; the others stand beside it. A sale without a known touch has one row a model, touch_number 0.
    """

    date: Series[Day] = column("Local day the sale was created")
    sale_id: Series[Text] = column("Identity of the sale in the CRM")
    model: Series[Text] = column(
        "Attribution model: first_touch, last_touch, linear (equal parts), position_based (40 % first, 40 % last, 20 % "
        "between) or time_decay (half as much for every 7 days earlier)",
        isin=("first_touch", "last_touch", "linear", "position_based", "time_decay"),
    )
    touch_number: Series[Integer] = column(
        "Place of the touch among the sale's touches, 1 is the earliest; 0 where no touch is known", ge=0
    )
    touches: Series[Integer] = column("Touches of the person in the look-back of the sale", ge=0)
    person_id: Series[Text] = column("Stable pseudonym of the person")
    touch_id: Series[Text] = column("Identity of the lead or Zoom record that is the touch", nullable=True)
    touched_at: Series[Timestamp] = column("When the touch was (UTC)", nullable=True)
    touch_date: Series[Day] = column("Local day of the touch", nullable=True)
    source: Series[Text] = column("Source of the touch", nullable=True)
    medium: Series[Text] = column("Medium of the touch", nullable=True)
    campaign: Series[Text] = column("Campaign of the touch", nullable=True)
    funnel: Series[Text] = column("Funnel of the touch's source on its own day")
    share: Series[Number] = column("Part of the sale that the touch has, 0 to 1", gt=0, le=1)
    gross_revenue_paise: Series[Integer] = column(
        "The touch's part of the sale's price, minor units", nullable=True
    )
    net_revenue_paise: Series[Integer] = column(
        "The touch's part of the sale's net amount, minor units", nullable=True
    )
    currency: Series[Text] = column("Currency of every amount in the row")
