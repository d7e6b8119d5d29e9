"""A language model's answer reaches the client as if it had been masked as a whole."""

from __future__ import annotations

import json
from collections import defaultdict
from typing import ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from policy_middleware.masking.media_type import media_type
from policy_middleware.masking.streams import stream_mask
from policy_middleware.masking.streams.json_fragments import JsonFragments
from policy_middleware.model.errors import MaskError
from tests.masking.cutting import EMAIL, FIELDS_ONLY, MASKER, chunks_of, many, run, texts, whole

pieces = st.integers(1, 6)


@st.composite
def cut_text(draw):
    text, parts = draw(texts), []
    rest = text
    while rest:
        size = draw(pieces)
        parts.append(rest[:size])
        rest = rest[size:]
    return text, parts


def events(documents, *, named=False, ascii_only=False, end="\n\n"):
    lines = []
    for document in documents:
        name = f"event: {document['type']}{end[: len(end) // 2]}" if named else ""
        lines.append(f"{name}data: {json.dumps(document, ensure_ascii=ascii_only)}{end}")
    return "".join(lines).encode()


def sent(body):
    """The JSON data of every event that came out."""
    return [
        json.loads(line[6:])
        for line in body.decode().splitlines()
        if line.startswith("data: ") and line != "data: [DONE]"
    ]


def chat(index, delta, finish=None):
    choice = {"index": index, "delta": delta, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "choices": [choice]}


def merged(data, *streams):
    """Interleave lists at random, each in its own order."""
    waiting = [list(stream) for stream in streams]
    out = []
    while any(waiting):
        chosen = data.draw(st.sampled_from([stream for stream in waiting if stream]))
        out.append(chosen.pop(0))
    return out


@many
@given(st.data())
def test_every_choice_of_a_chat_completion_equals_the_whole_text_masked(data):
    (first, first_parts), (second, second_parts) = data.draw(cut_text()), data.draw(cut_text())
    zero = [chat(0, {"role": "assistant", "content": ""})]
    zero += [chat(0, {"content": part}) for part in first_parts] + [chat(0, {}, "stop")]
    one = [chat(1, {"content": part}) for part in second_parts] + [chat(1, {}, "length")]
    end = data.draw(st.sampled_from(["\n\n", "\r\n\r\n", "\r\r"]))
    body = events(merged(data, zero, one), ascii_only=data.draw(st.booleans()), end=end)
    body += f"data: [DONE]{end}".encode()
    out = run(MASKER.stream("text/event-stream"), data.draw(chunks_of(body)))
    contents = defaultdict(str)
    for event in sent(out):
        for choice in event["choices"]:
            contents[choice["index"]] += choice["delta"].get("content") or ""
    assert contents[0] == whole(first)
    assert contents[1] == whole(second)
    assert out.rstrip().endswith(b"data: [DONE]")


@many
@given(st.data())
def test_every_block_of_an_anthropic_message_equals_the_whole_masked(data):
    (text, text_parts), (value, _) = data.draw(cut_text()), data.draw(cut_text())
    arguments = json.dumps({"to": value, "ssn": 1}, ensure_ascii=data.draw(st.booleans()))
    size = data.draw(pieces)
    json_parts = [arguments[start : start + size] for start in range(0, len(arguments), size)]

    def block(index, kind, field, parts):
        start = {"type": "text", "text": ""} if kind == "text_delta" else {"type": "tool_use", "input": {}}
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for part in parts:
            delta = {"type": kind, field: part}
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}

    blocks = merged(
        data,
        block(0, "text_delta", "text", text_parts),
        block(1, "input_json_delta", "partial_json", json_parts),
    )
    documents = [{"type": "message_start", "message": {"content": []}}, *blocks, {"type": "message_stop"}]
    out = run(MASKER.stream("text/event-stream"), data.draw(chunks_of(events(documents, named=True))))
    shown = defaultdict(str)
    stopped = set()
    for event in sent(out):
        if event["type"] == "content_block_delta":
            assert event["index"] not in stopped
            shown[event["index"]] += event["delta"].get("text", event["delta"].get("partial_json"))
        elif event["type"] == "content_block_stop":
            stopped.add(event["index"])
    assert shown[0] == whole(text)
    if '"' not in value and "\\" not in value:
        assert json.loads(shown[1]) == {"to": whole(value), "ssn": 1}
    assert EMAIL not in shown[1]


def cohere(parts, arguments):
    def event(kind, index, message):
        return {"type": kind, "index": index, "delta": {"message": message}}

    yield {"type": "message-start", "id": "1", "delta": {"message": {"role": "assistant", "tool_plan": ""}}}
    yield event("content-start", 0, {"content": {"type": "text", "text": ""}})
    yield from (event("content-delta", 0, {"content": {"text": part}}) for part in parts)
    yield {"type": "content-end", "index": 0}
    call = {"id": "c", "type": "function", "function": {"name": "send", "arguments": ""}}
    yield event("tool-call-start", 0, {"tool_calls": call})
    for part in arguments:
        yield event("tool-call-delta", 0, {"tool_calls": {"function": {"arguments": part}}})
    yield {"type": "tool-call-end", "index": 0}
    yield {"type": "message-end", "delta": {"finish_reason": "TOOL_CALL"}}


def of_cohere(event):
    message = event.get("delta", {}).get("message", {})
    calls = message.get("tool_calls", {})
    return message.get("content", {}).get("text", ""), calls.get("function", {}).get("arguments", "")


def converse(parts, arguments):
    yield {"messageStart": {"role": "assistant"}}
    for part in parts:
        yield {"contentBlockDelta": {"delta": {"text": part}, "contentBlockIndex": 0}}
    yield {"contentBlockStop": {"contentBlockIndex": 0}}
    start = {"toolUse": {"toolUseId": "c", "name": "send"}}
    yield {"contentBlockStart": {"start": start, "contentBlockIndex": 1}}
    for part in arguments:
        yield {"contentBlockDelta": {"delta": {"toolUse": {"input": part}}, "contentBlockIndex": 1}}
    yield {"contentBlockStop": {"contentBlockIndex": 1}}
    yield {"messageStop": {"stopReason": "tool_use"}}
    yield {"metadata": {"usage": {"inputTokens": 1}}}


def of_converse(event):
    delta = event.get("contentBlockDelta", {}).get("delta", {})
    return delta.get("text", ""), delta.get("toolUse", {}).get("input", "")


def bare_converse(parts, arguments):
    for event in converse(parts, arguments):
        yield from event.values()


def of_bare_converse(event):
    return of_converse({"contentBlockDelta": event})


@many
@given(st.data())
@pytest.mark.parametrize(
    ("write", "read"),
    [(cohere, of_cohere), (converse, of_converse), (bare_converse, of_bare_converse)],
)
def test_texts_and_arguments_of_other_makers_equal_the_whole_masked(write, read, data):
    (text, parts), (value, _) = data.draw(cut_text()), data.draw(cut_text())
    arguments = json.dumps({"to": value, "n": 1}, ensure_ascii=data.draw(st.booleans()))
    size = data.draw(pieces)
    fragments = [arguments[start : start + size] for start in range(0, len(arguments), size)]
    documents = list(write(parts, fragments))
    out = sent(run(MASKER.stream("text/event-stream"), data.draw(chunks_of(events(documents)))))
    texts_shown, arguments_shown = map("".join, zip(*map(read, out), strict=True))
    assert texts_shown == whole(text)
    if '"' not in value and "\\" not in value:
        assert json.loads(arguments_shown) == {"to": whole(value), "n": 1}
    assert EMAIL not in arguments_shown
    # What ends a text comes behind all of it.
    assert out[-1] == documents[-1]


@many
@given(st.data())
def test_texts_and_thoughts_of_gemini_equal_the_whole_masked(data):
    (text, parts), (thought, thoughts) = data.draw(cut_text()), data.draw(cut_text())

    def event(parts, **more):
        content = {"content": {"parts": parts, "role": "model"}} if parts else {}
        return {"candidates": [{**content, "index": 0, **more}], "modelVersion": "g"}

    documents = [event([{"text": part, "thought": True}]) for part in thoughts]
    size = data.draw(st.integers(1, 3))
    documents += [
        event([{"text": part} for part in parts[start : start + size]])
        for start in range(0, len(parts), size)
    ]
    if documents and data.draw(st.booleans()):
        documents[-1]["candidates"][0]["finishReason"] = "STOP"
    else:
        documents.append(event([], finishReason="STOP"))
    out = sent(run(MASKER.stream("text/event-stream"), data.draw(chunks_of(events(documents)))))
    shown = defaultdict(str)
    for candidate in (event["candidates"][0] for event in out):
        for part in candidate.get("content", {}).get("parts", ()):
            shown[part.get("thought", False)] += part["text"]
    assert shown[True] == whole(thought)
    assert shown[False] == whole(text)
    assert out[-1]["candidates"][0]["finishReason"] == "STOP"


def test_an_end_that_has_the_last_texts_of_a_list_is_no_text_that_goes_on_after_its_end():
    content = [{"type": "text", "text": "ask jo"}, {"type": "text", "text": "hn@example.com"}]
    (event,) = sent(MASKER.stream("text/event-stream").feed(events([chat(0, {"content": content}, "stop")])))
    assert "".join(part["text"] for part in event["choices"][0]["delta"]["content"]) == "ask <EMAIL_ADDRESS>"


def test_an_event_that_names_no_choices_is_still_one_of_its_type():
    documents = [
        {"choices": None, "type": "text-delta", "id": "1", "delta": part} for part in ("jo", "hn@a.io")
    ]
    out = run(MASKER.stream("text/event-stream"), [events(documents)])
    assert "".join(event["delta"] for event in sent(out)) == "<EMAIL_ADDRESS>"


@many
@given(st.data())
def test_the_deltas_of_a_response_agree_with_what_its_last_events_repeat(data):
    text, parts = data.draw(cut_text())
    where = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    documents = [
        {"type": "response.output_text.delta", **where, "delta": part, "sequence_number": number}
        for number, part in enumerate(parts)
    ]
    documents += [
        {"type": "response.output_text.done", **where, "text": text},
        {"type": "response.completed", "response": {"output": [{"content": [{"text": text}]}]}},
    ]
    out = run(MASKER.stream("text/event-stream"), data.draw(chunks_of(events(documents, named=True))))
    shown = sent(out)
    deltas = "".join(event["delta"] for event in shown if event["type"].endswith(".delta"))
    assert deltas == whole(text)
    assert shown[-2]["text"] == whole(text)
    assert shown[-1]["response"]["output"][0]["content"][0]["text"] == whole(text)
    assert shown[-2]["type"] == "response.output_text.done"


def test_an_address_over_six_events_is_masked_and_ids_and_count_of_events_stay():
    stream = MASKER.stream("text/event-stream")
    parts = [" jo", "hn.sm", "ith", "@exa", "mple", ".com", " today"]
    out = b"".join(stream.feed(b"id: 7\n" + events([chat(0, {"content": part})])) for part in parts)
    assert out.count(b"id: 7\n") == len(parts)
    assert "".join(event["choices"][0]["delta"]["content"] for event in sent(out)) == " <EMAIL_ADDRESS> "
    assert b"john" not in out
    assert b"smith" not in out


def test_what_is_held_back_leaves_with_the_event_that_ends_its_choice():
    stream = MASKER.stream("text/event-stream")
    out = stream.feed(events([chat(0, {"content": EMAIL}), chat(0, {"content": ""}, "stop")]))
    *_, last = sent(out)
    assert last["choices"][0] == {
        "index": 0,
        "delta": {"content": "<EMAIL_ADDRESS>"},
        "finish_reason": "stop",
    }
    assert stream.close() == b""


def test_tool_calls_reasoning_and_refusals_are_texts_of_their_own():
    def call(index, arguments):
        return {"tool_calls": [{"index": index, "function": {"arguments": arguments}}]}

    documents = [
        chat(0, call(0, '{"to":"line\\n')),
        chat(0, call(1, '{"to":"')),
        chat(0, call(0, "john@exam")),
        chat(0, {"reasoning_content": "ask ann@exam"}),
        chat(0, call(1, 'bob@example.org"}')),
        chat(0, call(0, 'ple.com"}')),
        chat(0, {"reasoning_content": "ple.org now"}),
        chat(0, {}, "tool_calls"),
    ]
    shown = defaultdict(str)
    for event in sent(run(MASKER.stream("text/event-stream"), [events(documents)])):
        delta = event["choices"][0]["delta"]
        shown["reasoning"] += delta.get("reasoning_content", "")
        for each in delta.get("tool_calls", ()):
            shown[each["index"]] += each["function"]["arguments"]
    assert json.loads(shown[0]) == {"to": "line\n<EMAIL_ADDRESS>"}
    assert json.loads(shown[1]) == {"to": "<EMAIL_ADDRESS>"}
    assert shown["reasoning"] == "ask <EMAIL_ADDRESS> now"


def test_probabilities_that_repeat_the_text_token_by_token_are_taken_out():
    document = chat(0, {"content": "jo"})
    document["choices"][0]["logprobs"] = {"content": [{"token": "jo", "bytes": [106, 111]}]}
    (event,) = sent(MASKER.stream("text/event-stream").feed(events([document])))
    assert event["choices"][0]["logprobs"] is None


@pytest.mark.parametrize(
    "document",
    [
        {
            "type": "content-delta",
            "index": 0,
            "delta": {"message": {"content": {"text": "secretive"}}},
            "logprobs": {"text": "secretive", "token_ids": [5]},
        },
        {
            "candidates": [
                {
                    "content": {"parts": [{"text": "secretive"}]},
                    "logprobsResult": {"chosenCandidates": [{"token": "secretive"}]},
                }
            ]
        },
    ],
)
def test_probabilities_of_other_makers_are_taken_out_too(document):
    out = run(MASKER.stream("text/event-stream"), [events([document])])
    assert out.count(b"secretive") == 1
    assert b"ogprobs" not in out


TOKENS = [{"token": "secretive", "bytes": [115], "top_logprobs": [{"token": "secretive"}]}]


@pytest.mark.parametrize(
    "document",
    [
        {"choices": [{"index": 0, "delta": {"content": None}, "logprobs": {"content": TOKENS}}]},
        {"choices": [{"index": 0, "delta": {}, "token_ids": [115]}], "prompt_token_ids": [115]},
        {"candidates": [{"index": 0, "logprobsResult": {"chosenCandidates": TOKENS}}]},
        {"type": "response.content_part.done", "part": {"text": "ok", "logprobs": TOKENS}},
        {"type": "response.completed", "response": {"output": [{"content": [{"logprobs": TOKENS}]}]}},
        {"type": "conversation.item.input_audio_transcription.completed", "logprobs": TOKENS},
        {"type": "message-end", "delta": {"finish_reason": "COMPLETE"}, "logprobs": {"text": "secretive"}},
        {"response": "ok", "done": False, "logprobs": TOKENS},
        {"response": "ok", "done": True, "context": [115]},
    ],
)
def test_tokens_are_taken_out_wherever_they_repeat_a_text(document):
    out = run(MASKER.stream("text/event-stream"), [events([document])])
    assert b"secretive" not in out
    assert b"115" not in out


def test_partial_arguments_of_gemini_are_texts_by_their_paths():
    def event(*pieces, **more):
        call = {"functionCall": {"partialArgs": list(pieces), **more}}
        return {"candidates": [{"content": {"parts": [call]}}]}

    def piece(path, value, **more):
        return {"jsonPath": path, "stringValue": value, **more}

    documents = [
        event(piece("$.to", "jo", willContinue=True), piece("$.cc", "ann@exam", willContinue=True)),
        event(piece("$.cc", "ple.org")),
        event(piece("$.to", "hn@example.com")),
        event(piece("$.to", "bob"), name="send"),
    ]
    shown = defaultdict(str)
    for document in sent(run(MASKER.stream("text/event-stream"), [events(documents)])):
        for part in document["candidates"][0]["content"]["parts"]:
            for argument in part["functionCall"]["partialArgs"]:
                shown[argument["jsonPath"]] += argument["stringValue"]
    assert shown == {"$.to": "<EMAIL_ADDRESS>bob", "$.cc": "<EMAIL_ADDRESS>"}


def test_messages_and_steps_of_the_assistants_are_understood():
    def message(text):
        delta = {"content": [{"index": 0, "type": "text", "text": {"value": text}}]}
        return {"id": "m", "object": "thread.message.delta", "delta": delta}

    def step(text):
        call = {"index": 0, "type": "function", "function": {"arguments": text}}
        delta = {"step_details": {"type": "tool_calls", "tool_calls": [call]}}
        return {"id": "s", "object": "thread.run.step.delta", "delta": delta}

    documents = [message("jo"), step('{"to":"ann@exam'), message("hn@example.com"), step('ple.org"}')]
    documents.append({"id": "m", "object": "thread.message", "status": "completed"})
    shown = defaultdict(str)
    for event in sent(run(MASKER.stream("text/event-stream"), [events(documents)])):
        delta = event.get("delta", {})
        shown["text"] += "".join(part["text"]["value"] for part in delta.get("content", ()))
        calls = delta.get("step_details", {}).get("tool_calls", ())
        shown["call"] += "".join(call["function"]["arguments"] for call in calls)
    assert shown == {"text": "<EMAIL_ADDRESS>", "call": '{"to":"<EMAIL_ADDRESS>"}'}


@pytest.mark.parametrize(
    "write",
    [
        lambda part: {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": part},
        lambda part: {"type": "text-delta", "textDelta": part},
        lambda part: chat(0, {"content": [{"type": "thinking", "thinking": [{"text": part}]}]}),
    ],
)
def test_pieces_of_a_text_are_found_under_every_name_that_they_have(write):
    out = run(MASKER.stream("text/event-stream"), [events(map(write, ["jo", "hn@exam", "ple.com", ""]))])
    assert b"EMAIL_ADDRESS" in out
    assert not any(piece in out for piece in (b'"jo', b"hn@", b"ple.com"))


def test_the_paths_of_field_rules_are_told_of_every_event_and_line():
    documents = [{**chat(0, {"content": "so"}), "user": {"ssn": "1"}} for _ in range(3)]
    documents.append({"ssn": "2", "note": "no text grows here"})
    rules = MASKER.rules()
    run(stream_mask(media_type("text/event-stream"), rules, limit=10_000), [events(documents)])
    assert rules.tally.paths == {"**.ssn": 4}

    rules = MASKER.rules()
    lines = b"".join(json.dumps(document).encode() + b"\n" for document in documents)
    run(stream_mask(media_type("application/x-ndjson"), rules, limit=10_000), [lines])
    assert rules.tally.paths == {"**.ssn": 4}
    assert rules.tally.count == 4


def test_field_rules_and_entities_hold_for_everything_else_of_an_event():
    document = {**chat(0, {"content": "hello "}), "user": EMAIL, "ssn": "078-05-1120"}
    (event,) = sent(MASKER.stream("text/event-stream").feed(events([document])))
    assert event["user"] == "<EMAIL_ADDRESS>"
    assert event["ssn"] == "[REDACTED]"
    assert event["choices"][0]["delta"]["content"] == "hello "


def test_a_field_rule_for_the_text_itself_has_the_last_word():
    masker = type(MASKER).from_spec(
        {"fields": {"choices[*].delta.content": "redact"}, "entities": {"EMAIL_ADDRESS": "replace"}}
    )
    out = masker.stream("text/event-stream").feed(events([chat(0, {"content": "secret words"})]))
    assert sent(out)[0]["choices"][0]["delta"]["content"] == "[REDACTED]"
    assert b"secret" not in out


@pytest.mark.parametrize(
    "document",
    [
        {"type": "response.audio.delta", "delta": "UklGRg=="},
        {"type": "response.image_generation_call.partial_image", "partial_image_b64": "iVBORw0KGgo="},
        chat(0, {"audio": {"id": "a", "data": "UklGRg=="}}),
        {"candidates": [{"content": {"parts": [{"inlineData": {"mimeType": "image/png", "data": "iVB="}}]}}]},
        {"contentBlockDelta": {"delta": {"image": {"source": {"bytes": "iVB="}}}, "contentBlockIndex": 0}},
    ],
)
def test_sound_and_pictures_end_the_stream(document):
    with pytest.raises(MaskError):
        MASKER.stream("text/event-stream").feed(events([document]))


@pytest.mark.parametrize(
    "data",
    [
        b'{"choices":[{"delta":{"content":"a","content":"john@example.com"}}]}',
        b'{"choices":[{"delta":{"content":"a"}}],"n":1e999}',
        b'{"choices":[{"delta":{"content":NaN}}]}',
        b'{"choices":',
        b"[" * 100_000,
    ],
)
def test_json_that_two_readers_may_read_in_two_ways_ends_the_stream(data):
    with pytest.raises(MaskError) as caught:
        MASKER.stream("text/event-stream").feed(b"data: " + data + b"\n\n")
    assert "john" not in str(caught.value)


def test_a_text_that_goes_on_after_its_end_ends_the_stream():
    stream = MASKER.stream("text/event-stream")
    stream.feed(events([chat(0, {"content": "jo"}), chat(0, {}, "stop")]))
    with pytest.raises(MaskError):
        stream.feed(events([chat(0, {"content": "hn@example.com"})]))


def test_a_mask_of_fields_alone_masks_each_event_as_a_document():
    out = run(FIELDS_ONLY.stream("text/event-stream"), [events([{"email": EMAIL, "n": 1}])])
    assert sent(out) == [{"email": "[REDACTED]", "n": 1}]


def test_ollama_lines_are_understood():
    lines = [{"response": "Ask jo", "done": False}, {"response": "hn@example.com", "done": False}]
    lines.append({"response": "", "done": True, "total_duration": 5})
    body = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    out = run(MASKER.stream("application/x-ndjson"), [body[:20], body[20:]])
    shown = [json.loads(line) for line in out.splitlines()]
    assert "".join(line["response"] for line in shown) == "Ask <EMAIL_ADDRESS>"
    assert shown[-1]["done"] is True
    assert len(shown) == 3


class Unchanged:
    """A text stream that masks nothing and holds nothing."""

    findings: ClassVar[dict[str, int]] = {}
    held = 0

    def feed(self, text):
        return text

    def close(self):
        return ""


@many
@given(st.data())
def test_json_in_fragments_means_the_same_when_nothing_is_masked(data):
    value = data.draw(st.recursive(st.text(), lambda inner: st.dictionaries(st.text(), inner)))
    text = json.dumps(
        value, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.sampled_from([None, 1]))
    )
    stream = JsonFragments(Unchanged())
    rest, out = text, ""
    while rest:
        size = data.draw(pieces)
        out += stream.feed(rest[:size])
        rest = rest[size:]
    assert json.loads(out + stream.close()) == value
