"""What every test may use."""

pytest_plugins = ["funnel_assets_tests.postgres_fixture"]
