"""Sentences of `presidio-evaluator`, the research package of Presidio, filled as its generator fills them.

Its wheel holds the templates, 3,000 records of people of many countries, names of organisations, and the
formats of its providers. They are read from there, the formats from the source of its providers without
running it, because the package itself pulls in models of half a gigabyte. What a template asks for first
comes from one record, the rest from Faker, as `SentenceFaker` has it.
"""

from __future__ import annotations

import ast
import csv
import io
import random
import re
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from zipfile import ZipFile

from faker import Faker
from faker.providers.address.en_US import Provider as AddressProvider
from faker.providers.phone_number.en_US import Provider as PhoneNumberProvider

from benchmarks.detection.scoring import Sample, Value

REQUIREMENT: Final = "presidio-evaluator==0.3.2"
_GENERATOR: Final = "presidio_evaluator/data_generator/"
_SLOT: Final = re.compile(r"\{\{(\w+)\}\}")
_ENTITIES: Final = {
    "email": "EMAIL_ADDRESS",
    "iban": "IBAN_CODE",
    "ip_address": "IP_ADDRESS",
    "url": "URL",
    "credit_card_number": "CREDIT_CARD",
    "ssn": "US_SSN",
    "phone_number": "PHONE_NUMBER",
    **dict.fromkeys(("date_time", "date_of_birth", "year", "day_of_week"), "DATE_TIME"),
    "organization": "ORGANIZATION",
}
# As in the package, but for the number of the card, which it leaves to Faker as well.
_COLUMNS: Final = {
    "CountryFull": "country",
    "NameSet": "nationality",
    "StreetAddress": "street_name",
    "GivenName": "first_name",
    "Surname": "last_name",
    "EmailAddress": "email",
    "TelephoneNumber": "phone_number",
    "Birthday": "date_of_birth",
    "Occupation": "job",
    "ZipCode": "zipcode",
    "City": "city",
    "State": "state_abbr",
    "Title": "prefix",
    "Age": "age",
}


class Filler:
    """Fills the templates of a wheel."""

    def __init__(self, wheel: Path) -> None:
        with ZipFile(wheel) as files:

            def read(name: str) -> str:
                return files.read(_GENERATOR + name).decode("utf-8-sig", "replace")

            self.templates = [
                line.replace("\\n", "\n") for line in read("raw_data/templates.txt").splitlines()
            ]
            self.records = _records(read("raw_data/FakeNameGenerator.com_3000.csv"))
            nations = _rows(read("raw_data/nationalities.csv"), ",")
            self._choices = {
                "organization": read("raw_data/companies_and_organizations.csv").splitlines()[1:],
                "nationality": [row["nationality"] for row in nations],
                "nation_woman": [row["woman"] for row in nations],
                "nation_plural": [row["plural"] for row in nations],
            }
            licenses = read("raw_data/us_driver_license_format.yaml")
            self._licenses = re.findall(r'- "(.+)"', licenses)
            providers = ast.parse(read("faker_extensions/providers.py"))
        self._fake = Faker("en_US")
        self._fake.add_provider(
            type(
                "Phones", (PhoneNumberProvider,), {"formats": _attribute(providers, "formats", "PhoneNumber")}
            )
        )
        self._fake.add_provider(
            type(
                "Places",
                (AddressProvider,),
                {"address_formats": _attribute(providers, "address_formats", "")},
            )
        )

    def samples(self, count: int, *, from_records: bool) -> Iterator[Sample]:
        """Yield `count` filled templates, the same ones whenever asked."""
        draw = random.Random(7)
        self._fake.seed_instance(7)
        for _ in range(count):
            record = dict(draw.choice(self.records)) if from_records else {}
            yield self._filled(draw.choice(self.templates), record, draw)

    def _filled(self, template: str, record: dict[str, str], draw: random.Random) -> Sample:
        text, done = "", 0
        values = []
        for slot in _SLOT.finditer(template):
            text += template[done : slot.start()]
            done = slot.end()
            value = record.pop(slot[1], "") or self._made(slot[1], draw)
            values.append(Value(_ENTITIES.get(slot[1], "OTHER"), len(text), len(text) + len(value)))
            text += value
        return Sample(text + template[done:], tuple(values))

    def _made(self, slot: str, draw: random.Random) -> str:
        if slot in self._choices:
            return draw.choice(self._choices[slot])
        if slot == "us_driver_license":
            return self._fake.bothify(draw.choice(self._licenses))
        if slot == "ip_address":
            return self._fake.ipv4() if draw.random() < 0.8 else self._fake.ipv6()
        if slot == "age":
            return str(draw.randrange(1, 100))
        return str(getattr(self._fake, {"person": "name"}.get(slot, slot))())


def _rows(source: str, delimiter: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(source), delimiter=delimiter))


def _records(source: str) -> list[dict[str, str]]:
    made = []
    for row in _rows(source, ","):
        record = {ours: row[theirs] for theirs, ours in _COLUMNS.items()}
        record["person"] = record["name"] = f"{row['GivenName']} {row['Surname']}"
        record[f"name_{row['Gender']}"] = record["name"]
        made.append(record)
    return made


def _attribute(module: ast.Module, name: str, of: str) -> object:
    """Return the literal that a class whose name begins with `of` assigns to `name`; mappings as such."""
    for kind in module.body:
        if not isinstance(kind, ast.ClassDef) or not kind.name.startswith(of):
            continue
        for statement in kind.body:
            if isinstance(statement, ast.Assign) and ast.unparse(statement.targets[0]) == name:
                literal = statement.value
                if isinstance(literal, ast.Call):  # OrderedDict((format, weight), ...)
                    return OrderedDict(ast.literal_eval(literal.args[0]))
                return ast.literal_eval(literal)
    raise SystemExit(f"{REQUIREMENT} has no {name} any more")
