"""What each built-in recogniser finds, and which look-alikes it leaves alone."""

from __future__ import annotations

from itertools import pairwise

import pytest

from policy_middleware.masking.linear_search import Searcher
from policy_middleware.masking.recognition import RECOGNIZERS, RecognizerError, recognize
from policy_middleware.masking.scanner import scanner_of

REAL = {
    "EMAIL_ADDRESS": [
        "john.smith@example.com",
        "o'brien+news@mail.example.co.uk",
        "jörg@müller.example",
        "a@b.co",
        "x_y%z@xn--mller-kva.example",
    ],
    "PHONE_NUMBER": [
        "+1 415-555-0132",
        "+41 (0)96 123 45 67",
        "(415) 555-0132",
        "415.555.0132 x4587",
        "001-415-555-0132",
        "030 / 90 18 20",
        "06 12 34 56 78",
        "555-0132",
        "555-0132 ext. 45",
        "650-2530000",
        "0494 26 46 14",
        "07700216573",
        "612 345 678",
        "98765 43210",
        "(9) 628-5701",
    ],
    "CREDIT_CARD": [
        "4111111111111111",
        "4111 1111 1111 1111",
        "5555-5555-5555-4444",
        "378282246310005",
        "3530111333300000",
        "4111.1111.1111.1111",
        "4111  1111  1111  1111",
        "4111 - 1111 - 1111 - 1111",
        "30569309025904",
        "6011000990139424",
        "2223003122003222",
        "3782 822463 10005",
        "122000000000003",
        "3056930009020004",
        "62123456789002",
    ],
    "IBAN_CODE": [
        "DE89 3704 0044 0532 0130 00",
        "DE 89 3704 0044 0532 0130 00",
        "GB29NWBK60161331926819",
        "no9386011117947",
        "MT84MALT011000012345MTLCAST001S",
        "SN08 SN01 0015 2000 0485 0000 3035",
        "NO 93 8601.11.17947",
    ],
    "US_SSN": ["536-90-4399", "536 90 4399", "536.90.4399", "536 - 90 - 4399"],
    "IP_ADDRESS": [
        "192.168.0.17",
        "10.0.0.0/8",
        "192.168.001.010",
        "2001:db8::8a2e:370:7334",
        "::1",
        "fe80::1%eth0",
        "::ffff:192.0.2.128",
        "::/0",
    ],
    "URL": [
        "https://example.com/a?b=c#d",
        "www.example.org",
        "shop.example.co.uk/cart",
        "postgres://u:p@db/x",
        "EXAMPLE.COM",
        "SHOP.EXAMPLE.CO.UK/CART",
        "WWW.EXAMPLE.DE",
    ],
    "MAC_ADDRESS": ["00:1A:2B:3C:4D:5E", "00-1a-2b-3c-4d-5e", "001a.2b3c.4d5e"],
    "CRYPTO": [
        "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2",
        "3J98t1WpEZ73CNmQviecrnyiWrnqRhWNLy",
        "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4",
        "bc1p0xlxvlhemja6c4dqv22uapctqupfhlxm9h8z3k2e72q4k9hcz7vqzk5jj0",
        "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    ],
    "DATE_TIME": [
        "2024-03-15",
        "2024-03-15T14:30:00Z",
        "15.03.2024",
        "3/15/24",
        "March 15, 2024",
        "15 Mar 2024",
        "3rd of May",
        "5/2021",
        "Dec 2023",
        "2024-03-15 14:30:00+02:00",
    ],
    "UK_NHS": ["943 476 5919"],
    "SECRET": [
        "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",
        "AKIAIOSFODNN7EXAMPLE",
        "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",
        "sntryu_e7395e0fc21da4c273de252cbf951989032a0e53314",
        "dp.pt.wvbso7aj4vizgi4nh0s4r1p8ptyo7965ar9ob4wc7s5",
        "SK71babb384d1ae4eed8ecd3bc19a21ba6",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dozjgNryP4J3jVmNHl0w5N",
        "xoxb-123456789012-abcdefghijkl",
    ],
}
LOOK_ALIKES = {
    "EMAIL_ADDRESS": ["@decorator", "a@b", "user@", "3 @ 4.50"],
    "PHONE_NUMBER": [
        "2024-03-15",
        "15.03.2024",
        "05-03-2024 14",
        "12345",
        "3.14159265",
        "000-000-0000",
        "0681 213 Main Street",
        "64434 1973",
        "057-31-5161",
        "2078681632",
        "12 345 678",
        "89 97 11",
    ],
    "CREDIT_CARD": [
        "4111111111111112",
        "1234567890123456",
        "0000000000000000",
        "4111 1111 1111 1112",
        "4111.111111111111",
    ],
    "IBAN_CODE": ["DE88 3704 0044 0532 0130 00", "XX89370400440532013000", "DE89 3704"],
    "US_SSN": [
        "000-12-3456",
        "666-12-3456",
        "900-12-3456",
        "536-00-4399",
        "536-90-0000",
        "536-90.4399",
        "536 -90- 4399",
        "536 - 90-4399",
        "536904399",
    ],
    "IP_ADDRESS": ["1.2.3", "1.2.3.4.5", "1.02.3.4", "256.1.1.1", "12:30:45", "std::abs", "A::Bad", "::"],
    "URL": ["e.g. this", "file.txt", "3.14", "Mr.Smith", "TRE.IN", "ACCESS-ST.CH/EUR", "B.Com"],
    "MAC_ADDRESS": ["00:1A:2B:3C:4D", "00:1A:2B-3C:4D:5E", "16:27:ac:a5:76:28:2d:36:63:1b:56:4d:eb:df:a6:48"],
    "CRYPTO": ["1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN1", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t5", "0x1234"],
    "DATE_TIME": [
        "2024-13-45",
        "99/99/9999",
        "1.2.3",
        "may be",
        "10.0.0.1",
        "march on",
        "1977",
        "of 2048",
        "in 1234",
        "every Sunday",
    ],
    "US_PASSPORT": ["912803456", "order 912803456"],
    "UK_NHS": ["943 476 5918", "9434765919", "111 111 1111"],
    "SECRET": [
        "sk-learn-compatible-estimators",
        "sk-ecdsa-sha2-nistp256",
        "secret_manager_client_v1beta1",
        "npm_package_config_v12345",
        "ASIA-Pacific-Region-2024",
        "ASIAPACIFICREGIONSALES",
        "ico-arrow-left-circle-24",
        "ghp_short",
        "eyJhbGci",
        "-----BEGIN PUBLIC KEY-----",
    ],
}


def pairs(table: dict[str, list[str]]) -> list[tuple[str, str]]:
    return [(entity, value) for entity, values in table.items() for value in values]


@pytest.mark.parametrize(("entity", "value"), pairs(REAL))
def test_a_real_value_is_found_whole_in_a_sentence(entity: str, value: str) -> None:
    text = f"It is: {value}, they say."

    assert [text[span.start : span.end] for span in recognize(text, [entity])] == [value]


@pytest.mark.parametrize(("entity", "value"), pairs(LOOK_ALIKES))
def test_a_look_alike_is_left_alone(entity: str, value: str) -> None:
    assert recognize(f"It is: {value}, they say.", [entity]) == []


@pytest.mark.parametrize(
    ("text", "date"),
    [
        ("It was founded in 1977.", "1977"),
        ("the Civil Rights Act of 1964 protects", "1964"),
        ("Since 2008 he has lived here", "2008"),
        ("We'll meet Friday at noon", "Friday"),
        ("she flew on Tuesday to Rome", "Tuesday"),
        ("by next monday", "monday"),
    ],
)
def test_a_year_or_a_day_of_the_week_is_a_date_beside_a_word_that_makes_it_one(text: str, date: str) -> None:
    assert [text[span.start : span.end] for span in recognize(text, ["DATE_TIME"])] == [date]


@pytest.mark.parametrize("entity", sorted(RECOGNIZERS))
def test_every_recogniser_finds_its_own_examples(entity: str) -> None:
    for example in RECOGNIZERS[entity].examples:
        assert recognize(example, [entity]), example


@pytest.mark.parametrize(
    ("entity", "text", "value"),
    [
        ("US_PASSPORT", "Passport no. A12803456.", "A12803456"),
        ("US_SSN", "ssn=536904399", "536904399"),
        ("UK_NHS", "NHS 9434765919", "9434765919"),
        *(
            ("PHONE_NUMBER", f"You can call {number} now", number)
            for number in ("4155550132", "612345678", "12 345 678", "920 44 410", "95 635098", "61-18-37-53")
        ),
        ("PHONE_NUMBER", "call 555 7936 ext. 12 or 40 91", "555 7936 ext. 12"),
        ("PHONE_NUMBER", "mobile: 9452 9539 12345", "9452 9539"),
        ("PHONE_NUMBER", "tel. 12.05.2024, then 95 635098", "95 635098"),
    ],
)
def test_a_weak_shape_counts_after_a_word_that_announces_it(entity: str, text: str, value: str) -> None:
    assert value in [text[span.start : span.end] for span in recognize(text, [entity])]


@pytest.mark.parametrize(
    "text",
    [
        "locally 4155550132",
        "a hotel with 95 635098 beds",
        "license number 4155550132",
        "call 12.05.24",
        "call 12-05-2024",
        "call 192.168.10.17",
        "fax 000000000",
    ],
)
def test_a_weak_shape_needs_a_word_of_its_own_and_the_form_of_a_number(text: str) -> None:
    assert recognize(text, ["PHONE_NUMBER"]) == []


@pytest.mark.parametrize(
    ("entity", "text", "value"),
    [
        ("CREDIT_CARD", "12 4111 1111 1111 1111", "4111 1111 1111 1111"),
        ("CREDIT_CARD", "4111 1111 1111 1111 12", "4111 1111 1111 1111"),
        ("IBAN_CODE", "AB12 DE89 3704 0044 0532 0130 00 and on", "DE89 3704 0044 0532 0130 00"),
        ("PHONE_NUMBER", "2024 415-555-0132 12", "415-555-0132"),
        ("EMAIL_ADDRESS", "a@b john@example.com", "john@example.com"),
        ("IP_ADDRESS", "10.0.0.1-10.0.0.9", "10.0.0.9"),
        ("CREDIT_CARD", r"see\n4111111111111111\n", "4111111111111111"),
        ("US_SSN", r"a\r\n536-90-4399\r\n", "536-90-4399"),
        (
            "SECRET",
            r"a\t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",
            "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",
        ),
        ("EMAIL_ADDRESS", r"CORP\nancy@example.com", "nancy@example.com"),
        ("EMAIL_ADDRESS", "/u?to=john.smith%40example.com&x", "john.smith%40example.com"),
        ("EMAIL_ADDRESS", "next=%2Fu%3Fto%3Djohn%2540example.com", "john%2540example.com"),
        ("PHONE_NUMBER", "/call?to=%2B14155550132", "%2B14155550132"),
        ("URL", r"see\nhttps://example.com/a", "https://example.com/a"),
    ],
)
def test_a_neighbour_never_hides_a_value(entity: str, text: str, value: str) -> None:
    start = text.index(value)

    assert any(span.start <= start and start + len(value) <= span.end for span in recognize(text, [entity]))


@pytest.mark.parametrize(
    ("entity", "text"),
    [
        ("EMAIL_ADDRESS", "john.smith\uff20example.com"),
        ("EMAIL_ADDRESS", "john.smith\u200b@exam\u00adple.com"),
        ("EMAIL_ADDRESS", "john.smith@example\u3002com"),
        ("CREDIT_CARD", "4111\u00a01111\u20091111\u202f1111"),
        ("CREDIT_CARD", "\uff14" + "\uff11" * 15),
        ("CREDIT_CARD", "٤١١١١١١١١١١١١١١١"),
        ("US_SSN", "536\u201190\u20114399"),
        ("IP_ADDRESS", "⒑0.0.1"),
    ],
)
def test_spelling_a_value_with_other_code_points_does_not_hide_it(entity: str, text: str) -> None:
    spans = recognize(f"to {text} now", [entity])

    assert [(span.start, span.end) for span in spans] == [(3, 3 + len(text))]


def test_a_private_key_is_found_to_its_footer() -> None:
    body = "\n".join("MIIEvQIBADANBgkqhkiG9w0BAQEFAASC" * 2 for _ in range(30))
    text = f"-----BEGIN RSA PRIVATE KEY-----\n{body}\n-----END RSA PRIVATE KEY----- and prose"

    spans = recognize(text, ["SECRET"])

    assert spans[0].start == 0
    assert all(later.start == earlier.end for earlier, later in pairwise(spans))
    assert spans[-1].end == text.index("-----END")


def test_the_prefixes_of_all_recognisers_stay_short_enough_for_streams() -> None:
    """With many more instructions their states no longer fit RE2: a token takes twenty times as long."""
    prefixes = [shape.prefixes for shape in scanner_of(tuple(RECOGNIZERS.values())).shapes]

    assert Searcher(b"(?:" + b"|".join(prefixes) + b")\\z").program_size < 24_000


@pytest.mark.parametrize("number", ["536-90-4399", "4111111111111111", "2024-03-15", "4111 1111 1111 1111"])
def test_a_number_that_touches_an_address_is_masked_with_it(number: str) -> None:
    text = f"to jo@example.com{number}, please"

    assert [text[span.start : span.end] for span in recognize(text, ["EMAIL_ADDRESS"])] == [
        f"jo@example.com{number}"
    ]


def test_an_unknown_entity_is_refused_with_the_known_ones() -> None:
    with pytest.raises(RecognizerError, match="'PERSON' is not a known entity; known: CREDIT_CARD"):
        recognize("x", ["PERSON"])


@pytest.mark.parametrize(
    ("entity", "value"),
    [
        ("CREDIT_CARD", "4111111111111111"),
        ("IBAN_CODE", "DE89370400440532013000"),
        ("US_SSN", "536-90-4399"),
        ("IP_ADDRESS", "192.168.0.17"),
        ("MAC_ADDRESS", "00:1A:2B:3C:4D:5E"),
        ("MAC_ADDRESS", "001a.2b3c.4d5e"),
        ("CRYPTO", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2"),
        ("CRYPTO", "bc1qw508d6qejxtdg4y5r3zarvary0c5xw7kv8f3t4"),
        ("CRYPTO", "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"),
        ("DATE_TIME", "2024-03-15"),
        ("DATE_TIME", "15.03.2024"),
    ],
)
def test_an_underscore_beside_a_value_does_not_hide_it(entity: str, value: str) -> None:
    for text in (f"id_{value}", f"{value}_id", f"_{value}_{value}_"):
        found = [text[span.start : span.end] for span in recognize(text, [entity])]
        assert found == [value] * text.count(value)
    assert recognize(f"id{value}x", [entity]) == []


@pytest.mark.parametrize("secret", REAL["SECRET"])
def test_an_underscore_before_a_secret_does_not_hide_it(secret: str) -> None:
    text = f"token_{secret}"

    assert [text[span.start : span.end] for span in recognize(text, ["SECRET"])] == [secret]
