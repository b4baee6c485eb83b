"""The hosted CI does what the documents promise of it."""

from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]


def test_hosted_checks_are_those_of_the_repository() -> None:
    jobs = yaml.safe_load((PROJECT / ".github/workflows/ci.yml").read_text())["jobs"]
    said = {name: "\n".join(step.get("run", "") for step in job["steps"]) for name, job in jobs.items()}
    assert said["checks"].strip() == ".ci/run"
    assert jobs["checks"]["strategy"]["matrix"]["python"] == ["3.11", "3.13"]
    for lock in PROJECT.glob("requirements*.lock"):
        assert f"-r {lock.name}" in said["advisories"]
    assert "pip-audit" in said["advisories"]
    assert "make sbom" in said["parts"]
    made = (PROJECT / "Makefile").read_text().partition("\nsbom:")[2].partition("\n\n")[0]
    for file in ("dist/sbom.cdx.json", "dist/licences.csv"):
        assert file in said["parts"]
        assert file in made
    assert (PROJECT / ".ci/run").stat().st_mode & 0o100
