# SPDX-License-Identifier: MIT
"""story.py – the call of the demo: who says what.

Nobody recognises or thinks here: the simulated voice follows VOICE_SCRIPT,
turn by turn, and the simulated MikroTik service knows one answer. What is real
is everything between them.
"""

import functools
import json

from tests.e2e.service import REPO
from tests.sim import openai_voice, rtp
from tests.sim.recording import LOUD

DIALLED = "3241000752"
CALLER = "3001234655"
CODEC = "ulaw"

CALLER_VOICE = "es-419+m3"      # espeak-ng's names
AGENT_VOICE = "es-419+f2"
WORDS_PER_MINUTE = 190

PLANS = "Buenas tardes, ¿qué planes de internet tienen?"
INTERRUPTION = ("Disculpe, mejor revise mi conexión, soy Juan Pérez de El "
                "Roble.")
IMPATIENCE = "¿Se demora mucho?"
THANKS = "Listo, muchas gracias."

PLANS_REPLY = (
    "Con mucho gusto. Tenemos tres planes para su casa: el de diez megas a "
    "cuarenta y cinco mil pesos al mes, el de veinte megas a sesenta mil "
    "pesos, y el de cincuenta megas a noventa mil pesos.")
PREAMBLE = "Claro, don Juan. Permítame reviso su conexión."
PATIENCE_REPLY = "No, unos segundos. Sigo aquí con usted."

QUERY = "consultar_mikrotik"
QUERY_SECONDS = 16.5
ROUTERS = 5               # that answer in that time, one after the other
QUESTION = ("¿Está conectado el cliente Juan Pérez de la vereda El Roble, y "
            "por qué está lento?")
ANSWER = ("su antena está bien conectada, pero la torre está muy cargada a "
          "esta hora.")
SPOKEN_ANSWER = f"Don Juan, {ANSWER}"
WAITING = json.loads(
    (REPO / "etc" / "tools.d" / f"{QUERY}.json").read_text())["progress"]
PROGRESS_LINES = [
    WAITING.format(done=done, total=ROUTERS) for done in range(1, ROUTERS)]

VOICE_SCRIPT = {
    "turns": [
        {"transcript": PLANS, "reply": PLANS_REPLY},
        {"transcript": INTERRUPTION, "preamble": PREAMBLE,
         "calls": [{"name": QUERY, "arguments": {"question": QUESTION}}],
         "then": {"reply": SPOKEN_ANSWER.replace(ANSWER, "{response}")}},
        {"transcript": IMPATIENCE, "reply": PATIENCE_REPLY}],
    "settings": {"voice": "demo", "ping_interval": 0.5}}

MIKROTIK_SCRIPT = {
    "answers": [{"contains": "Juan Pérez", "response": ANSWER,
                 "delay": QUERY_SECONDS, "progress": ROUTERS}]}

CALLER_LINES = (PLANS, INTERRUPTION, IMPATIENCE, THANKS)
AGENT_LINES = (PLANS_REPLY, PREAMBLE, PATIENCE_REPLY, SPOKEN_ANSWER,
               *PROGRESS_LINES)


@functools.lru_cache(None)
def agent_speech(text, audio_format=openai_voice.PCMU):
    """The simulated voice saying text, as bytes of audio_format."""
    return openai_voice.speech(text, audio_format, AGENT_VOICE,
                               WORDS_PER_MINUTE)


openai_voice.VOICES["demo"] = agent_speech


def caller_speech(text):
    """The caller saying text, as G.711."""
    return openai_voice.speech(text, openai_voice.FORMATS[CODEC],
                               CALLER_VOICE, WORDS_PER_MINUTE)


def line(text, pause_ms, hush_ms=0):
    """A clip for the phone: the caller thinks, says text, and says nothing."""
    silence = rtp.SILENCE[CODEC]
    return silence * (8 * pause_ms) + caller_speech(text) + \
        silence * (8 * hush_ms)


def middle_of_a_word(text, after_ms):
    """ms of the voice's text after which it goes on speaking for half a
    second: an interruption there is heard to work."""
    audio = agent_speech(text)
    table = rtp.LOUDNESS["ulaw"]
    loud = [sum(map(table.__getitem__, audio[i:i + 160])) >= LOUD * 160
            for i in range(0, len(audio) - 159, 160)]
    frame = after_ms // 20
    while not all(loud[frame:frame + 25]):
        frame += 1
    return frame * 20


def synthesise():
    """All voices, before the call: synthesis must not disturb its times."""
    for text in CALLER_LINES:
        caller_speech(text)
    for text in AGENT_LINES:
        agent_speech(text)
