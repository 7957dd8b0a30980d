# SPDX-License-Identifier: MIT
"""Who may ask what, once on a real Asterisk: PINs and documents dialled as a
telephone sends them (RFC 4733), and telephones that the dialplan trusts."""

import pytest

from tests.e2e.test_access import (DONE, JOSE, STAFF_TOOL, answered, asking,
                                   everything_at_openai, outputs, said,
                                   silent_between, start, text_of)
from tests.e2e.world import GREETING

# A telephone of the house, some that forward or transfer a stranger (of whom
# Asterisk then says so in these variables), and the trunk.
DIALPLAN = """
[telefonista](+)
exten => 800,1,Goto(telefonista-internal,3241000752,1)
exten => 801,1,Dial(Local/3241000752@telefonista-internal/n)
exten => 802,1,Set(REDIRECTING(from-num,i)=3001112233)
 same => n,Set(REDIRECTING(count,i)=1)
 same => n,Goto(telefonista-internal,3241000752,1)
exten => 803,1,Set(BLINDTRANSFER=PJSIP/house-00000001)
 same => n,Goto(telefonista-internal,3241000752,1)
exten => 804,1,Set(SIPTRANSFER=yes)
 same => n,Goto(telefonista-internal,3241000752,1)
"""


def test_pin_document_confirmation_and_lock_out(world):
    world.expect("refused: tool=estado_interno .*the caller is public")
    world.allow("refused", "tool answered")
    world.answers(
        asking("estado_interno"),
        asking("identificar_personal"), asking("identificar_personal"),
        asking("estado_interno"),
        asking("identificar_cliente", {"contrato": JOSE["contract"]}),
        asking("consultar_cliente"),
        asking("reiniciar", {"equipo": "r1"}, "¿Reinicio el r uno?"),
        asking("reiniciar", {"equipo": "r1",
                             "confirmation": "{confirmation}"}))
    start(world)
    call = world.call().hears(GREETING)
    call.asks("cómo está todo", DONE)
    assert outputs(call)[0]["error"] == STAFF_TOOL["unidentified"]
    prompt = said("identificar_personal", "prompt")
    for number, (digits, member) in enumerate(
            (("111111#", "wrong"), ("482915#", "granted"))):
        clip = call.says(f"clave {number}")
        call.hears(prompt, clip.end_ns)
        offset = len(call.session.input_audio)
        call.phone.dtmf(digits)
        output = text_of(answered(call, 2 + number))
        assert output == said("identificar_personal",
                              member).replace("{left}", "2")
        assert silent_between(call, offset, len(call.session.input_audio))
        call.hears(DONE, clip.end_ns)
    call.asks("cómo está todo", DONE)
    assert "todo en orden" in outputs(call)[3]["result"]
    clip = call.says("soy José")
    call.hears(said("identificar_cliente", "prompt"), clip.end_ns)
    call.phone.dtmf(JOSE["document"] + "#")
    assert text_of(answered(call, 5)) == said("identificar_cliente",
                                              "granted")
    call.hears(DONE, clip.end_ns)
    call.asks("cuánto debo", DONE)
    assert "José Ángel Ibáñez" in outputs(call)[5]["result"]
    call.asks("reinicie", "¿Reinicio el r uno?")
    call.asks("sí", DONE)
    assert [o["status"] for o in outputs(call)[6:]] == ["unconfirmed", "ok"]
    told = everything_at_openai(world)
    for digits in ("482915", "111111", JOSE["document"]):
        assert digits not in told
        assert digits not in world.service.text()
    assert "El usuario marcó" not in told
    call.hangup().gone()
    world.rig.wait_idle()


def test_three_wrong_pins_lock_the_number_out_in_the_next_call(world):
    world.allow("refused", "tool answered")
    world.answers(*(asking("identificar_personal") for _ in range(3)))
    start(world)
    number = world.numbers.pop()
    prompt = said("identificar_personal", "prompt")
    for tries in (3, 2):
        call = world.call(number=number).hears(GREETING)
        for n in range(tries):
            clip = call.says(f"clave {n}")
            call.hears(prompt, clip.end_ns)
            call.phone.dtmf("111111#")
            call.hears(DONE, clip.end_ns)
        assert text_of(outputs(call)[-1]) == said("identificar_personal",
                                                  "locked")
        call.hangup().gone()
    world.rig.wait_idle()


@pytest.mark.parametrize("world", [DIALPLAN], indirect=True)
def test_the_dialplan_trusts_a_telephone_but_nobody_behind_it(world):
    world.allow("refused", "tool answered")
    world.answers(asking("estado_interno"))
    start(world)
    trusted = {}
    for exten in ("800", "801", "802", "803", "804", None):
        call = world.call(exten=exten).hears(GREETING)
        call.asks("cómo está todo", DONE)
        trusted[exten] = outputs(call)[0]["status"] == "ok"
        call.hangup()
        world.rig.wait_idle()
    assert trusted == {"800": True, "801": False, "802": False,
                       "803": False, "804": False, None: False}
