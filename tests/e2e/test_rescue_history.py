# SPDX-License-Identifier: MIT
"""The real callworker, killed in the middle of a call: a second one gets its
socket and memory, goes on with the word, and its session knows all that was
said."""

import json
import time

import pytest

from tests.e2e.worker_rig import (CALL, GREETING, PHRASES, TOOL, brief,
                                  rig_fixture, uplink_memfd)
from tests.e2e.worker_rig import said as voiced

rig = rig_fixture()

LONG = ("uno dos tres cuatro cinco seis siete ocho nueve diez once doce trece "
        "catorce quince dieciséis diecisiete dieciocho diecinueve veinte")
QUESTION = {"question": "¿qué señal tiene Juan?"}
HANG_UP = {"name": "terminar_llamada", "description": "Cuelga.",
           "action": "hangup", "parameters": {
               "type": "object", "properties": {},
               "additionalProperties": False}}


def call(name=TOOL["name"], arguments=None):
    return {"name": name, "arguments": json.dumps(
        QUESTION if arguments is None else arguments, ensure_ascii=False)}


def history(worker):
    """What was put into a session before it was asked for anything:
    (kind, words) in order."""
    items = []
    for event in worker.session.events_in:
        if event["type"] == "response.create":
            break
        if event["type"] == "conversation.item.create":
            items.append(event["item"])
    return [told(item) for item in items]


def said(text):
    """As it is heard: in whole packets."""
    audio = voiced(text)
    return audio + b"\xff" * (-len(audio) % 160)


def ends(phone, text):
    """Whether the last that was heard is TEXT, to its last sample."""
    heard = phone.heard().rstrip(b"\xff")
    return heard.endswith(voiced(text).rstrip(b"\xff"))


def told(item):
    if item["type"] == "function_call":
        return "call", item["name"]
    if item["type"] == "function_call_output":
        return "output", item["output"]
    words = "".join(part.get("text", "") for part in item["content"])
    return item["role"], words


def ask(worker, phone, answer):
    """A turn of the caller, until its answer was heard."""
    phone.say()
    worker.wait_for(lambda: ends(phone, answer) and
                    phone.is_quiet(0.3), f"the answer {answer!r}")


def resumed(worker):
    worker.wait_for_log("voice goes on")
    assert worker.session.errors == []


def replace(worker, spare, **arguments):
    killed = spare.take_over(worker, **arguments)
    resumed(spare)
    return killed


def gap(phone, since):
    """The longest time without a packet, from shortly before SINCE on."""
    times = [t for t, _ in list(phone.packets) if t > since - 0.1]
    return max(b - a for a, b in zip(times, times[1:]))


def check_numbers(phone):
    """One source, no hole in its sequence, timestamps that fit."""
    headers = list(phone.headers)
    assert len({ssrc for _, _, ssrc in headers}) == 1
    for (seq, stamp, _), (next_seq, next_stamp, _) in zip(headers, headers[1:]):
        assert next_seq == (seq + 1) & 0xffff
        assert (next_stamp - stamp) % (1 << 32) % 160 == 0


def test_the_next_turn_knows_everything_and_nobody_is_greeted(rig):
    worker = rig({"turns": [
        {"transcript": "buenas, soy Juan", "reply": "Mucho gusto, Juan."},
        {"transcript": "¿qué señal tengo?", "preamble": "Ya miro.",
         "calls": [call()]},
        {"transcript": "gracias", "reply": "Con gusto, Juan."}],
        "texts": [{"contains": "marcó", "reply": "Marcó un número."}]})
    phone = worker.talk()
    ask(worker, phone, "Mucho gusto, Juan.")
    phone.say()
    worker.result(worker.expect("tool.request")["id"], output="-21 dBm")
    worker.wait_for(lambda: ends(phone, "Ya tengo la respuesta. -21 dBm") and
                    phone.is_quiet(0.3), "the result")
    for digit in "57":
        worker.send("dtmf", call=CALL, digit=digit)
    worker.wait_for(lambda: said("Marcó un número.") in phone.heard() and
                    phone.is_quiet(0.3), "the digits' answer")
    spare = worker.spare()
    killed = replace(worker, spare)
    items = history(spare)
    assert [kind for kind, _ in items] == [
        "assistant", "user", "assistant", "user", "assistant", "call",
        "output", "assistant", "user", "assistant"]
    words = [text for _, text in items]
    assert words[:5] == [GREETING, "buenas, soy Juan", "Mucho gusto, Juan.",
                         "¿qué señal tengo?", "Ya miro."]
    assert words[5] == TOOL["name"]
    assert json.loads(words[6])["result"] == "-21 dBm"
    assert words[7] == "Ya tengo la respuesta. -21 dBm"
    assert words[8:] == ["[El usuario marcó: 5 7]", "Marcó un número."]
    # Nothing is owed: it does not say a word by itself.
    spare.watch(1)
    assert spare.session.responses == []
    ask(spare, phone, "Con gusto, Juan.")
    assert phone.heard().count(said(GREETING)) == 1
    assert spare.find("tool.request") == []
    check_numbers(phone)
    print(f"gap {gap(phone, killed) * 1000:.0f} ms")


def test_the_sentence_goes_on_at_the_same_sample(rig):
    worker = rig({"turns": [{"transcript": "cuente", "reply": LONG},
                            {"transcript": "más", "reply": "Eso es todo."}]},
                 speedup=50)
    phone = worker.talk()
    spare = worker.spare()
    first = worker.sim.sessions[0]
    phone.say()
    worker.wait_for(lambda: len(first.sent("response.done")) == 2 and
                    len(phone.heard()) > len(said(GREETING)) + 8000,
                    "half a sentence")
    killed = replace(worker, spare)
    spare.wait_for(lambda: phone.is_quiet(0.5), "the rest")
    assert phone.heard() == said(GREETING) + said(LONG)
    check_numbers(phone)
    # The history had it whole, and nobody says it again.
    assert history(spare)[-1] == ("assistant", LONG)
    assert spare.session.responses == []
    heard, = [b for b in spare.journal("heard") if b["heard"] == LONG]
    assert not heard["interrupted"]
    ask(spare, phone, "Eso es todo.")
    print(f"gap {gap(phone, killed) * 1000:.0f} ms")


def test_a_sentence_half_received_is_finished_by_another_voice(rig):
    worker = rig({"turns": [{"transcript": "cuente", "reply": LONG}],
                  "texts": [{"contains": "Continúe", "reply": "Y veintiuno."}]},
                 speedup=1, chunk_ms=(200, 200))
    phone = worker.talk()
    spare = worker.spare()
    phone.say()
    worker.wait_for(lambda: len(phone.heard()) > len(said(GREETING)) + 12000,
                    "half a sentence")
    replace(worker, spare)
    spare.wait_for(lambda: said("Y veintiuno.") in phone.heard() and
                   phone.is_quiet(0.5), "the rest")
    kind, known = history(spare)[-2 if history(spare)[-1][0] == "user" else -1]
    assert kind == "assistant" and known and LONG.startswith(known)
    text = [told(e["item"])[1] for e in
            spare.session.received("conversation.item.create")][-1]
    assert f"«{known[-20:]}" in text or known[-20:] in text
    heard = phone.heard()[len(said(GREETING)):-len(said("Y veintiuno."))]
    # Nothing twice, nothing of it lost that had come.
    assert len(heard) > 12000 - 160 and said(LONG).startswith(heard[:-160])
    assert len(spare.session.responses) == 1


def test_what_the_predecessor_queued_can_be_interrupted(rig):
    worker = rig({"turns": [{"transcript": "cuente", "reply": LONG},
                            {"transcript": "espere", "reply": "Le escucho."}]},
                 speedup=50)
    phone = worker.talk()
    spare = worker.spare()
    first = worker.sim.sessions[0]
    phone.say()
    worker.wait_for(lambda: len(first.sent("response.done")) == 2 and
                    len(phone.heard()) > len(said(GREETING)) + 8000,
                    "half a sentence")
    killed = replace(worker, spare)
    spare.wait_for(lambda: phone.last_sound() > killed + 0.1, "the sentence")
    ask(spare, phone, "Le escucho.")
    cut = [b for b in spare.journal("heard") if b["interrupted"]][-1]
    assert 1000 <= cut["heard_ms"] < cut["total_ms"] == len(voiced(LONG)) // 8
    assert LONG == cut["heard"] + cut["unheard"] and cut["heard"]
    # The model knows what was heard, and it was not truncated: it has no audio.
    said_items = [i for i in spare.session.conversation.items
                  if i.data.get("role") == "assistant"]
    assert [told(i.data)[1] for i in said_items][1] == cut["heard"]
    assert spare.session.received("conversation.item.truncate") == []
    assert spare.session.errors == []
    assert len(phone.heard()) < len(said(GREETING)) + len(said(LONG))


def test_a_tool_that_runs_is_asked_for_again_and_answered_once(rig):
    worker = rig({"turns": [{"transcript": "¿qué señal tengo?",
                             "preamble": "Ya miro.", "calls": [call()]}]})
    phone = worker.talk()
    spare = worker.spare()
    phone.say()
    request = worker.expect("tool.request")
    worker.wait_for(lambda: said("Ya miro.") in phone.heard() and
                    phone.is_quiet(0.3), "the preamble")
    replace(worker, spare)
    again = spare.expect("tool.request")
    assert {k: again[k] for k in ("id", "name", "arguments")} == \
        {k: request[k] for k in ("id", "name", "arguments")}
    assert history(spare)[-1] == ("call", TOOL["name"])
    spare.result(request["id"], output="-21 dBm")
    answer = said("Ya tengo la respuesta. -21 dBm")
    spare.wait_for(lambda: answer in phone.heard(), "the answer")
    assert len(spare.find("tool.request")) == 1
    requests = [b["id"] for b in spare.journal("tool_request")]
    assert requests == [request["id"]]
    assert spare.session.errors == []


def test_a_result_that_was_not_spoken_yet_is_spoken_once(rig):
    worker = rig({"turns": [{"transcript": "¿qué señal tengo?",
                             "calls": [call()]}]}, first_audio_ms=1500)
    phone = worker.talk()
    spare = worker.spare()
    phone.say()
    worker.result(worker.expect("tool.request")["id"], output="-21 dBm")
    worker.wait_for(lambda: worker.journal("tool_result"), "the result")
    replace(worker, spare)
    answer = said("Ya tengo la respuesta. -21 dBm")
    spare.wait_for(lambda: answer in phone.heard() and phone.is_quiet(0.5),
                   "the answer")
    assert [kind for kind, _ in history(spare)][-2:] == ["call", "output"]
    assert spare.find("tool.request") == []
    assert phone.heard().count(answer) == 1
    assert len(spare.session.responses) == 1


def forget_words(worker):
    """Its successor gets another memory, in which the caller said nothing."""
    worker.call_fds = worker.call_fds[:4] + [uplink_memfd()]


def loud_frames(audio):
    return sum(audio[i:i + 160] != b"\xff" * 160
               for i in range(0, len(audio), 160))


def test_a_turn_without_an_answer_is_heard_again_and_not_told(rig):
    worker = rig({"turns": [{"transcript": "¿me oye?",
                             "reply": "Sí, le oigo."}]}, first_audio_ms=1500)
    phone = worker.talk()
    spare = worker.spare()
    phone.say()
    worker.wait_for(lambda: worker.journal("user"), "the transcript")
    replace(worker, spare)
    spare.wait_for(lambda: ends(phone, "Sí, le oigo."), "the answer")
    assert ("user", "¿me oye?") not in history(spare)
    spoken = loud_frames(worker.session.input_audio)
    assert spoken >= 15
    assert abs(loud_frames(spare.session.input_audio) - spoken) <= 2
    assert len(spare.session.responses) == 1
    # A third one, which hears nothing of it, is told once.
    third = spare.spare()
    spare.wait_for(lambda: any(b["id"] for b in spare.journal("heard")[1:]),
                   "the end of it")
    replace(spare, third, resumes=2)
    assert history(third).count(("user", "¿me oye?")) == 1


def test_a_turn_of_which_only_the_words_are_left_is_answered(rig):
    worker = rig({"turns": [{"transcript": "¿me oye?",
                             "reply": "Sí, le oigo."}]}, first_audio_ms=1500)
    phone = worker.talk()
    spare = worker.spare()
    phone.say()
    worker.wait_for(lambda: worker.journal("user"), "the transcript")
    forget_words(worker)
    replace(worker, spare)
    spare.wait_for(lambda: ends(phone, "Sí, le oigo."),
                   "the answer")
    assert history(spare)[-1] == ("user", "¿me oye?")
    assert len(spare.session.responses) == 1


def test_words_that_nobody_understood_are_asked_for_again(rig):
    worker = rig({"turns": [{"transcript": "¿me oye?", "reply": "Sí."}],
                  "texts": [{"contains": "repita", "reply": "¿Cómo dice?"}]},
                 first_audio_ms=1500, transcription_ms=20000)
    phone = worker.talk()
    spare = worker.spare()
    phone.say()
    worker.wait_for(lambda: any(not b["speaks"]
                                for b in worker.journal("caller")), "the turn")
    forget_words(worker)
    replace(worker, spare)
    spare.wait_for(lambda: ends(phone, "¿Cómo dice?"),
                   "the question")


def test_the_goodbye_is_finished(rig):
    worker = rig(speedup=1, chunk_ms=(200, 200))
    phone = worker.talk(brief(phrases={**PHRASES, "limit_goodbye": LONG}))
    spare = worker.spare()
    worker.hangup("limit", farewell=True)
    worker.wait_for(lambda: len(phone.heard()) > len(said(GREETING)) + 8000,
                    "half a goodbye")
    replace(worker, spare, leaving="limit")
    assert spare.expect("call.action")["reason"] == "limit"
    assert said(LONG) in phone.heard()
    assert len(spare.find("call.action")) == 1


def test_the_voice_hangs_up_still(rig):
    worker = rig({"turns": [{"transcript": "eso es todo", "preamble": LONG,
                             "calls": [call(HANG_UP["name"], {})]}]},
                 speedup=50)
    phone = worker.talk(brief(tools=[TOOL, HANG_UP]))
    spare = worker.spare()
    phone.say()
    worker.wait_for_log("the voice hangs up")
    assert worker.find("call.action") == []
    replace(worker, spare)
    assert spare.expect("call.action")["reason"] == "voice"
    assert phone.heard() == said(GREETING) + said(LONG)


def test_an_unconfirmed_request_does_not_run(rig):
    """The token that the first voice got is worth nothing to the second."""
    tool = {**TOOL, "confirm": True, "parameters": {
        "type": "object", "properties": {
            "question": {"type": "string"},
            "confirmation": {"type": "string"}}}}
    again = {**QUESTION, "confirmation": "{confirmation}"}
    worker = rig({"turns": [
        {"transcript": "reinicie", "calls": [call()],
         "then": {"reply": "¿Reinicio el equipo?"}},
        {"transcript": "sí", "calls": [call(arguments=again)],
         "then": {"reply": "¿Seguro que lo reinicio?"}},
        {"transcript": "que sí", "calls": [call(arguments=again)]}]})
    phone = worker.talk(brief(tools=[tool]))
    ask(worker, phone, "¿Reinicio el equipo?")
    spare = worker.spare()
    replace(worker, spare)
    ask(spare, phone, "¿Seguro que lo reinicio?")
    assert spare.find("tool.request") == []
    phone.say()
    assert json.loads(spare.expect("tool.request")["arguments"]) == QUESTION
    assert worker.find("tool.request") == []


def test_secret_digits_are_in_no_history(rig):
    worker = rig({"turns": [{"transcript": "soy técnico", "calls": [call()]}]})
    phone = worker.talk(brief(tools=[{**TOOL, "action": "staff_pin"}]))
    spare = worker.spare()
    phone.say()
    request = worker.expect("tool.request")
    for digit in "4711":        # too early: nobody had asked yet
        worker.send("dtmf", call=CALL, digit=digit)
    worker.send("secret.begin", call=CALL, id=request["id"], say="Marque.")
    worker.wait_for_log("digits are secret")
    replace(worker, spare)
    spare.send("secret.begin", call=CALL, id=request["id"], say="Marque.")
    spare.wait_for(lambda: ends(phone, "Marque."), "the words")
    start = len(spare.session.input_audio)
    phone.say(ms=1000)
    spare.watch(1.2)
    heard = spare.session.input_audio[start:]
    assert heard and set(heard) == {0xff}
    sent = json.dumps(spare.session.events_in)
    assert "4711" not in sent and "marcó" not in sent
    assert "4711" not in json.dumps(spare.journal())


def test_a_third_worker_knows_both_sessions(rig):
    worker = rig({"turns": [
        {"transcript": "uno", "reply": "Primera."},
        {"transcript": "dos", "reply": "Segunda."},
        {"transcript": "tres", "reply": "Tercera."}]})
    phone = worker.talk()
    ask(worker, phone, "Primera.")
    second = worker.spare()
    replace(worker, second)
    ask(second, phone, "Segunda.")
    third = worker.spare()
    replace(second, third, resumes=2)
    assert history(third) == [
        ("assistant", GREETING), ("user", "uno"), ("assistant", "Primera."),
        ("user", "dos"), ("assistant", "Segunda.")]
    ask(third, phone, "Tercera.")
    calls = third.journal("call")
    assert [entry["resumes"] for entry in calls] == [0, 1, 2]
    third.hangup()
    assert third.exit_status() == 0
    usage = third.expect("bye")["usage"]
    entries = third.journal("usage")
    assert usage["output_audio"] == sum(e["output_audio"] for e in entries) > 0
    assert third.journal("final")[0]["talking_ms"] >= 60000


@pytest.mark.parametrize("phase", ["quiet", "speaking"])
def test_the_line_is_never_dead_for_long(rig, phase):
    """Packets go on while the new session learns the history."""
    worker = rig({"turns": [{"transcript": "cuente", "reply": LONG}]},
                 speedup=50, one_way_ms=150)
    phone = worker.talk()
    spare = worker.spare()
    if phase == "speaking":
        phone.say()
        worker.wait_for(lambda: len(phone.heard()) > len(said(GREETING)) +
                        4000, "half a sentence")
    killed = spare.take_over(worker)
    spare.wait_for_log("voice goes on")
    ready = time.monotonic()
    longest = gap(phone, killed)
    print(f"{phase}: gap {longest * 1000:.0f} ms, "
          f"voice back after {(ready - killed) * 1000:.0f} ms")
    # Less than the round trip to the service, which nothing waits for.
    assert longest < max(0.28, (ready - killed) * 0.8)
    check_numbers(phone)
