"""Tables: what readers could see in another way, what the tally says, and what a second mask changes."""

from __future__ import annotations

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking import Masker
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import EMAIL, FIELDS_ONLY, MASKER, TEXTS_ONLY, fragments, many

MIXED = Masker.from_spec(
    {
        "fields": {"email": "redact", "**.ssn": "show_last_4", "note": "keep", "*": {"operator": "partial"}},
        "entities": {"EMAIL_ADDRESS": "replace", "PHONE_NUMBER": "replace"},
    }
)


def masked(body, masker=MASKER, content_type="text/csv"):
    return masker.mask(body.encode(), content_type).body.decode()


# Where two values touch, a second mask may find what the first left (docs/masking.md).
cells = st.lists(fragments, max_size=6).map(lambda words: " ".join(words).replace("\n", " "))
tables = st.lists(st.lists(cells, min_size=3, max_size=3), max_size=6)


@st.composite
def written_tables(draw):
    """A table as programs write it: any delimiter, any end of a line, quotes where needed or everywhere."""
    written = io.StringIO()
    writer = csv.writer(
        written,
        delimiter=draw(st.sampled_from(",;\t|")),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r", "\n\n"])),
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
    )
    writer.writerows([["id", "email", "note"], *draw(tables)])
    return draw(st.sampled_from(["", "\ufeff"])) + written.getvalue()


@many
@given(written_tables(), st.sampled_from([MASKER, MIXED]))
def test_masking_a_masked_table_changes_nothing(table, masker):
    try:
        once = masked(table, masker)
    except MaskError:
        return
    assert masked(once, masker) == once


@many
@given(tables)
def test_a_table_is_masked_as_one_object_for_each_row_would_be(rows):
    masker = Masker.from_spec(
        {"fields": {"email": "redact", "**.ssn": "show_last_4"}, "entities": {"CREDIT_CARD": "replace"}}
    )
    names = ["id", "email", "ssn"]
    written = io.StringIO()
    csv.writer(written).writerows([names, *rows])
    out = masker.mask(written.getvalue().encode(), "text/csv")
    read = list(csv.reader(io.StringIO(out.body.decode(), newline="")))
    objects = [
        masker.mask(json.dumps(dict(zip(names, row, strict=True))).encode(), "application/json")
        for row in rows
    ]
    assert read[1:] == [list(json.loads(one.body).values()) for one in objects]
    assert out.count == sum(one.count for one in objects)


def test_the_tally_names_the_paths_of_the_rule_and_counts_each_value_once():
    masker = Masker.from_spec(
        {
            "fields": {"**.email": "redact", "ssn": "nullify", "name": "keep", "absent": "redact"},
            "entities": {"EMAIL_ADDRESS": "replace"},
        }
    )
    out = masker.mask(f"email,ssn,name,note\n{EMAIL},1,{EMAIL},{EMAIL}\nx,,y,{EMAIL}\n".encode(), "text/csv")
    assert out.paths == {"**.email": 2, "ssn": 2}
    assert out.entities == {"EMAIL_ADDRESS": 2}
    assert out.count == 6


def test_a_column_that_is_kept_is_not_searched():
    masker = Masker.from_spec({"fields": {"name": "keep"}, "entities": {"EMAIL_ADDRESS": "replace"}})
    assert masked(f"name,note\n{EMAIL},{EMAIL}\n", masker) == f"name,note\n{EMAIL},<EMAIL_ADDRESS>\n"


@pytest.mark.parametrize("fields", [{}, {"id": "redact"}])
def test_the_name_of_a_column_announces_what_is_in_it_as_a_json_key_does(fields):
    masker = Masker.from_spec({"fields": fields, "entities": {"US_SSN": "replace"}})
    assert masked('id,"customer SSN"\n1,536904399\n2,x\n', masker).endswith(
        ",<US_SSN>\n2,x\n" if not fields else ",<US_SSN>\n[REDACTED],x\n"
    )
    assert masked("id,ssn\n1\n1,536904399,3\n", Masker.from_spec({"entities": {"US_SSN": "replace"}})) == (
        "id,ssn\n1\n1,<US_SSN>,3\n"
    )


@pytest.mark.parametrize(
    "body",
    [
        "ssn\r078-05-1120\r",
        "\r\n\r\nid,ssn\r\n\r\n1,078-05-1120",
        "\ufeffssn,id\n078-05-1120,1\n",
        '\ufeff"ssn",id\n078-05-1120,1\n',
        "id, ssn\n1, 078-05-1120\n",
        "sep=;\nid;ssn\n1;078-05-1120\n",
        "SEP=|\r\nid|ssn\r\n1|078-05-1120\r\n",
        '"id","ssn"\n"1","078-05-1120\n"\n',
    ],
)
def test_a_column_is_found_however_the_table_is_written(body):
    out = masked(body, FIELDS_ONLY)
    assert "078" not in out
    assert "[REDACTED]" in out


@pytest.mark.parametrize("body", ["id\tssn\n1\t078-05-1120\n", "sep=\t\nid\tssn\n1\t078-05-1120\n"])
def test_a_column_of_tab_separated_values_is_found(body):
    out = FIELDS_ONLY.mask(body.encode(), "text/tab-separated-values").body.decode()
    assert out == body.replace("078-05-1120", "[REDACTED]")


@pytest.mark.parametrize(
    "body",
    [
        "ssn;name,id\n1;2,3\n",
        "id,ssn\n1,078-05-1120,2\n",
        'id,ssn,x\n "1,078-05-1120",2\n',
        "sep=^\nid^ssn\n1^2\n",
        "ssn, ssn\n1,2\n",
        'id,ssn\n"' + '"' * 200_001 + "x",
    ],
)
def test_a_table_that_can_be_cut_in_two_ways_is_refused_where_fields_are_named(body):
    with pytest.raises(MaskError) as caught:
        masked(body, FIELDS_ONLY)
    assert "078" not in str(caught.value)


@pytest.mark.parametrize("cell", ["", "x", '""', '"a"', '"a,b"'])
@pytest.mark.parametrize("end", ["", "\n", "\r\n\r\n", ","])
def test_what_is_not_masked_stays_as_it_is_written(cell, end):
    body = f"a@example.com,{cell}\n{cell},b{end}"
    assert masked(body, TEXTS_ONLY) == body.replace("a@example.com", "<EMAIL_ADDRESS>")


@pytest.mark.parametrize("unit", ["x\n", ",,,\n", '""""\n', '"",', "a@example.com\n", "\n", '"a" ', ","])
@pytest.mark.parametrize("masker", [MASKER, FIELDS_ONLY])
def test_long_tables_are_cut_as_short_ones(unit, masker):
    body = "ssn\n" + unit * (200_000 // len(unit))
    try:
        out = masked(body, masker)
    except MaskError:
        return
    assert out.count("\n") == body.count("\n")
