"""Print the figures."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Final

from benchmarks.detection import locales, templates, validators
from benchmarks.detection.registry import WHEEL, download
from benchmarks.detection.scoring import print_scores

SENTENCES: Final = 9_000


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        filler = templates.Filler(download(templates.REQUIREMENT, directory, WHEEL))
        for source, from_records in (("its records", True), ("Faker", False)):
            title = f"sentences of {templates.REQUIREMENT}, filled from {source}"
            print_scores(title, filler.samples(SENTENCES, from_records=from_records))
        print_scores("sentences of Faker in ten languages", locales.samples())
        locales.print_example_numbers()
        validators.print_collections(directory)


if __name__ == "__main__":
    main()
