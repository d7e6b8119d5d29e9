"""How much of the personal data that others made up is recognised, and how often something else is.

`python -m benchmarks.detection`. The values come from Faker's providers (locales below; the formats are those
of its many authors) and from the example numbers in the metadata of `phonenumbers` (every region, national
and international). They stand in Faker's sentences and beside Faker's addresses, companies, product codes,
hashes, file names, colours and amounts, which are what must be left alone. A value counts as found when its
characters are covered whole; a finding counts as right when it touches a value of its entity. The
surroundings hold no words that announce a value. Left out: Faker's British IBANs, which are a digit
short of what the registry demands. The recognisers were corrected after a first look at these figures (card
ranges, extensions of telephone numbers), so read them as a regression test, not as a blind trial.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Final

import phonenumbers
from faker import Faker

from policy_middleware.masking.recognition import recognize

LOCALES: Final = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR", "en_AU", "en_IN")
SENTENCES: Final = 250
GOALS: Final = {
    "EMAIL_ADDRESS": (1.0, 0.98),
    "IBAN_CODE": (1.0, 0.98),
    "IP_ADDRESS": (1.0, 0.98),
    "URL": (1.0, 0.98),
    "CREDIT_CARD": (1.0, 0.98),
    "US_SSN": (1.0, 0.98),
    "PHONE_NUMBER": (0.75, 0.93),
    "DATE_TIME": (0.85, 0.93),
}
_DATE_FORMATS: Final = (
    "%Y-%m-%d",
    "%d/%m/%Y",
    "%m/%d/%y",
    "%d.%m.%Y",
    "%B %d, %Y",
    "%d %b %Y",
    "%b %Y",
    "%Y-%m-%dT%H:%M:%S",
)


def values(fake: Faker, draw: random.Random) -> dict[str, Callable[[], str]]:
    """Return the makers of personal values, by entity."""
    return {
        "EMAIL_ADDRESS": lambda: draw.choice((fake.email, fake.company_email, fake.free_email))(),
        "IBAN_CODE": fake.iban,
        "IP_ADDRESS": lambda: draw.choice((fake.ipv4, fake.ipv6))(),
        "URL": lambda: draw.choice((fake.url, fake.uri, fake.domain_name, fake.image_url))(),
        "CREDIT_CARD": fake.credit_card_number,
        "US_SSN": Faker("en_US").ssn,
        "PHONE_NUMBER": fake.phone_number,
        "DATE_TIME": lambda: fake.date(draw.choice(_DATE_FORMATS)),
    }


def others(fake: Faker, draw: random.Random) -> str:
    """Return something that is not personal data, or none that is recognised by its form."""
    makers = (
        fake.street_address,
        fake.company,
        fake.job,
        fake.ean13,
        fake.uuid4,
        fake.md5,
        fake.hex_color,
        fake.isbn13,
        fake.user_name,
        fake.file_name,
        lambda: f"{draw.uniform(0, 10_000):.2f}",
        lambda: f"{draw.randrange(10**9):,}",
        lambda: str(draw.randrange(10**8)),
        lambda: f"v{draw.randrange(9)}.{draw.randrange(30)}.{draw.randrange(30)}",
        lambda: f"#{draw.randrange(10**5)}-{draw.randrange(99)}",
    )
    return str(draw.choice(makers)()).replace("\n", ", ")


def cases() -> Iterator[tuple[str, str, str]]:
    """Yield (text, value, entity); text without a value has the entity ""."""
    draw = random.Random(7)
    for locale in LOCALES:
        fake = Faker(locale)
        fake.seed_instance(7)
        Faker.seed(7)
        for entity, make in values(fake, draw).items():
            for _ in range(SENTENCES // len(LOCALES) * 2):
                value = make()
                if value.startswith("GB") and entity == "IBAN_CODE":
                    continue
                yield (
                    f"{fake.sentence(6)[:-1]} {others(fake, draw)} {value}, {fake.sentence(5)}",
                    value,
                    entity,
                )
        for _ in range(SENTENCES):
            yield f"{fake.sentence(6)[:-1]} {others(fake, draw)} {others(fake, draw)}.", "", ""


def example_numbers() -> Iterator[str]:
    """Yield the example numbers of every region, as people there write them and from abroad."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(region)
        if number is not None:
            yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def main() -> None:
    found: Counter[str] = Counter()
    asked: Counter[str] = Counter()
    right: Counter[str] = Counter()
    said: Counter[str] = Counter()
    wrong: dict[str, list[str]] = {}
    missed: dict[str, list[str]] = {}
    for text, value, entity in cases():
        start = text.rindex(value + ",") if value else 0
        spans = recognize(text, GOALS)
        if entity:
            asked[entity] += 1
            covered = {at for span in spans if span.entity == entity for at in range(span.start, span.end)}
            if covered >= set(range(start, start + len(value))):
                found[entity] += 1
            else:
                missed.setdefault(entity, []).append(value)
        for span in spans:
            said[span.entity] += 1
            if span.entity == entity and span.start < start + len(value) and start < span.end:
                right[span.entity] += 1
            else:
                wrong.setdefault(span.entity, []).append(text[span.start : span.end])
    print(f"{'entity':16}{'values':>8}{'recall':>9}{'goal':>6}{'precision':>11}{'goal':>6}")
    for entity, (recall, precision) in GOALS.items():
        print(
            f"{entity:16}{asked[entity]:8}{found[entity] / asked[entity]:9.3f}{recall:6.2f}"
            f"{right[entity] / max(1, said[entity]):11.3f}{precision:6.2f}"
        )
    for title, table in (("missed", missed), ("wrong", wrong)):
        for entity, examples in table.items():
            print(f"{title} {entity}: {len(examples)}, such as {examples[:6]}")
    numbers = list(example_numbers())
    hits = sum(
        any(span.start == 0 and span.end == len(number) for span in recognize(number, ["PHONE_NUMBER"]))
        for number in numbers
    )
    print(f"example numbers of every region, national and international: {hits}/{len(numbers)} whole")


if __name__ == "__main__":
    main()
