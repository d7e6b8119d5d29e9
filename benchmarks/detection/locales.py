"""Values of Faker's providers in ten locales, in its sentences, and the example numbers of every region.

Beside the values stand Faker's addresses, companies, product codes, hashes, file names, colours and
amounts, which are what must be left alone, and no words that announce a value. Left out: Faker's British
IBANs, which are a digit short of what the registry demands.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Final

import phonenumbers
from faker import Faker

from benchmarks.detection.scoring import Sample, Value
from policy_middleware.masking.recognition import recognize

LOCALES: Final = ("en_US", "en_GB", "de_DE", "fr_FR", "es_ES", "it_IT", "nl_NL", "pt_BR", "en_AU", "en_IN")
SENTENCES: Final = 250
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


def samples() -> Iterator[Sample]:
    """Yield sentences with a value each, and sentences without."""
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
                before = f"{fake.sentence(6)[:-1]} {others(fake, draw)} "
                yield Sample(
                    f"{before}{value}, {fake.sentence(5)}",
                    (Value(entity, len(before), len(before) + len(value)),),
                )
        for _ in range(SENTENCES):
            yield Sample(f"{fake.sentence(6)[:-1]} {others(fake, draw)} {others(fake, draw)}.", ())


def example_numbers() -> Iterator[str]:
    """Yield the example numbers of every region, as people there write them and from abroad."""
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        number = phonenumbers.example_number(region)
        if number is not None:
            yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL)
            yield phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.INTERNATIONAL)


def print_example_numbers() -> None:
    """Print how many of the example numbers are recognised whole."""
    numbers = list(example_numbers())
    hits = sum(
        any(span.start == 0 and span.end == len(number) for span in recognize(number, ["PHONE_NUMBER"]))
        for number in numbers
    )
    print(f"example numbers of every region, national and international: {hits}/{len(numbers)} whole")
