"""What a server is to the rest of the package: its URLs, and the names of our databases and roles on it."""

import dataclasses

from sqlalchemy.engine import URL

from funnel_assets.masking import redact_url

OWNER_ROLE = "funnel"
ANALYST_ROLE = "analyst"
WAREHOUSE_DATABASE = "funnel"
DAGSTER_DATABASE = "dagster"
DRIVER = "postgresql+psycopg2"
"""Named in full: from SQLAlchemy 2.1 on a bare ``postgresql://`` means psycopg 3, which Dagster isn't
written for."""


@dataclasses.dataclass(frozen=True, repr=False)
class PostgresServer:
    """A server that answers, and the names of our two databases on it.

    Attributes:
        base: URL with user and password, without a database. Never print it; ``str(server)`` is safe.
        embedded: True for the server in ``FUNNEL_HOME``, False for one named by ``FUNNEL_POSTGRES_URL``.
    """

    base: URL
    embedded: bool
    warehouse_database: str = WAREHOUSE_DATABASE
    dagster_database: str = DAGSTER_DATABASE
    analyst_password: str | None = None

    def url(self, database: str | None = None) -> str:
        """SQLAlchemy URL (psycopg2, password included) of ``database``, by default the warehouse."""
        return self.base.set(database=database or self.warehouse_database).render_as_string(
            hide_password=False
        )

    def libpq_url(self, database: str | None = None) -> str:
        """The same for psql, libpq and BI tools: ``postgresql://…``, password included."""
        return self.url(database).replace(f"{DRIVER}://", "postgresql://", 1)

    @property
    def analyst_url(self) -> str | None:
        """The warehouse for a BI tool, as the role that may read all but personal columns; None for an external
        server, whose owner decides who may log in."""
        if self.analyst_password is None:
            return None
        url = self.base.set(
            drivername="postgresql",
            username=ANALYST_ROLE,
            password=self.analyst_password,
            database=self.warehouse_database,
        )
        return url.render_as_string(hide_password=False)

    @property
    def warehouse_url(self) -> str:
        """SQLAlchemy URL of the warehouse."""
        return self.url(self.warehouse_database)

    @property
    def dagster_url(self) -> str:
        """SQLAlchemy URL of Dagster's instance database."""
        return self.url(self.dagster_database)

    def __str__(self) -> str:
        return redact_url(self.url())

    def __repr__(self) -> str:
        kind = "embedded" if self.embedded else "external"
        return f"PostgresServer({kind} {self})"
