"""What `check` has to say of one file."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from policy_middleware.authoring.draft import KnownNames
from policy_middleware.authoring.findings import LintFinding, Severity
from policy_middleware.authoring.lint import lint_document, problem_lines
from policy_middleware.cli.inputs import Input
from policy_middleware.cli.output import counted, note, say
from policy_middleware.masking import mask_admission
from policy_middleware.model.documents import revision_of
from policy_middleware.model.errors import DocumentError, Problem, short_revision


@dataclass(frozen=True, slots=True)
class Checked:
    """A file, the document it was read as, and what is wrong with it or to remark."""

    file: str
    name: str
    revision: str | None
    rules: int
    problems: Sequence[tuple[int | None, Problem]]
    findings: Sequence[LintFinding]

    def passes(self, refused: Collection[Severity]) -> bool:
        """True for a valid document about which there is nothing of a refused severity to remark."""
        return not self.problems and not any(one.severity in refused for one in self.findings)

    def as_dict(self) -> dict[str, object]:
        """Return plain JSON data."""
        found: dict[str, object] = {"file": self.file, "document": self.name, "valid": not self.problems}
        if not self.problems:
            found |= {"revision": self.revision, "rules": self.rules}
        problems = [
            {"path": problem.path, "line": line, "message": problem.message}
            for line, problem in self.problems
        ]
        return {**found, "problems": problems, "findings": [one.as_dict() for one in self.findings]}

    def tell(self) -> None:
        """Tell a person: the verdict on standard output, the rest on standard error."""
        if self.problems:
            note(f"{self.file}: not valid as {self.name!r}")
        else:
            size, revision = counted(self.rules, "rule"), short_revision(self.revision)
            say(f"{self.file}: valid as {self.name!r}, {size}, revision {revision}")
        for line, problem in self.problems:
            note(f"  {_at(line)}{problem}")
        for one in self.findings:
            note(f"  {_at(one.line)}{one.severity.value} {one.code.value}: {one.message}")
            note(f"    {one.remedy}")


def checked(read: Input, name: str, now: float, known: KnownNames) -> Checked:
    """Check what was read as the document `name` at the moment `now` (seconds since the epoch)."""
    try:
        document = read.parsed(name)
        mask_admission(None, probe=True)(document)
    except DocumentError as error:
        lines = [None for _ in error.problems] if read.cut else problem_lines(read.body, error)
        problems = list(zip(lines, error.problems, strict=True))
        return Checked(read.label, name, None, 0, problems, [])
    findings = lint_document(read.body, name=name, now=now, known=known, max_bytes=read.limit)
    return Checked(read.label, name, revision_of(read.body), len(document.rules), [], findings)


def _at(line: int | None) -> str:
    return "" if line is None else f"line {line}: "
