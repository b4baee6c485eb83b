"""Small report files of invented people, spelled the way Zoom and Teams spell them."""

# ruff: noqa: E501 - lines as the reports have them

from collections.abc import Sequence

META = "Topic,Webinar ID,Actual Start Time,Actual Duration (minutes),# Registered,# Cancelled,Unique Viewers,Total Users"
FACTS = '"Bonds, explained",871 2345 6789,"Mar 22, 2025 7:00 PM",90,3,0,2,3'
HOST_HEADER = "Attended,User Name (Original Name),Email,Join Time,Leave Time,Time in Session (minutes),Is Guest,Country/Region Name"
HOST = 'Yes,Hema Host,hema@academy.example,"Mar 22, 2025 18:55:00","Mar 22, 2025 20:30:00",95,No,India'
HEADER = (
    "Attended,User Name (Original Name),First Name,Last Name,Email,Phone,Registration Time,Approval Status,"
    "Join Time,Leave Time,Time in Session (minutes),Is Guest,Country/Region Name"
)
ASHA = (
    'Yes,Asha Rao,Asha,Rao,asha@example.com,+919812300001,"Mar 15, 2025 11:23:29",approved,'
    '"Mar 22, 2025 19:05:00","Mar 22, 2025 20:00:00",55,Yes,India'
)
BINA = 'No,Bina Das,Bina,Das,bina@example.com,9812300002,"Mar 16, 2025 09:00:01",approved,--,--,--,--,'
CARL = 'Yes,Carl Jung,,,carl@example.com,,,,"Mar 22, 2025 19:10:00","Mar 22, 2025 19:40:00",30,Yes,Germany'


def attendee_report(
    rows: Sequence[str] = (ASHA, BINA, CARL),
    *,
    header: str = HEADER,
    meta: str = META,
    facts: str = FACTS,
    generated: str = '"Mar 23, 2025 6:26 PM"',
) -> str:
    """An attendee report with one host and the given attendee lines."""
    lines = ["Attendee Report,", f"Report Generated:,{generated}", meta, facts]
    lines += ["Host Details,", HOST_HEADER, HOST, "Attendee Details,", header, *rows]
    return "\n".join(lines) + "\n"


REGISTRATION_META = "Topic,ID,Scheduled Time,Duration (minutes),# Registrants,# Cancelled registrants,# Approved registrants,# Denied registrants"
REGISTRATION_HEADER = 'First Name,Last Name,Email,Registration Time,Approval Status,City,"Your number, with country code",Source Name'


def registration_report(
    rows: Sequence[str],
    *,
    header: str = REGISTRATION_HEADER,
    facts: str = '"Bonds, explained",871 2345 6789,"03/22/2025 07:00:00 PM",90,3,0,3,0',
    generated: str = '"03/21/2025 10:00:00 AM"',
) -> str:
    """A registration report with the given lines."""
    lines = ["Registration Report", f"Report generated time,{generated}", REGISTRATION_META, facts]
    return "\n".join([*lines, "Attendee Details", header, *rows]) + "\n"
