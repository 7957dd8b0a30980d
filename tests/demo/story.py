# SPDX-License-Identifier: MIT
"""story.py – the call of the demo: who says what.

Nobody recognises or thinks here: the simulated voice follows VOICE_SCRIPT,
turn by turn, and the simulated routers know how much traffic they carry. What is real
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
INTERRUPTION = ("Disculpe, mejor dígame el tráfico de las interfaces SFP de "
                "todos los routers.")
IMPATIENCE = "¿Se demora mucho?"
THANKS = "Listo, muchas gracias."

PLANS_REPLY = (
    "Con mucho gusto. Tenemos tres planes para su casa: el de diez megas a "
    "cuarenta y cinco mil pesos al mes, el de veinte megas a sesenta mil "
    "pesos, y el de cincuenta megas a noventa mil pesos.")
PREAMBLE = "Claro que sí. Permítame les pregunto."
PATIENCE_REPLY = "No, unos segundos. Sigo aquí con usted."

QUERY = "trafico_interfaces"
ARGUMENTS = {"interfaces": "sfp", "routers": "todos los routers"}
TOOL = json.loads((REPO / "etc" / "tools.d" / f"{QUERY}.json").read_text())
QUERY_SECONDS = TOOL["deadline_ms"] / 1000
# Those of etc/routers.json.example: seconds until it answers, and bits per
# second down and up. One never answers.
ROUTERS = {"Guamal": (2, 2_400_000_000, 310_000_000),
           "El Roble": (6, 1_100_000_000, 95_000_000), "Oficina": None}
SILENT = "Oficina"
RESULT = ("Respondieron 2 de 3 routers.",
          "sfp-sfpplus1 de Guamal, 2,4 gigabits por segundo de bajada y 310 "
          "megabits por segundo de subida",
          "sfp-sfpplus1 de El Roble, 1,1 gigabits por segundo de bajada",
          "No alcanzaron a responder a tiempo: Oficina.")
ANSWER = ("Guamal lleva dos coma cuatro gigabits por segundo de bajada y El "
          "Roble uno coma uno. La oficina no alcanzó a responder.")
PROGRESS_LINES = [TOOL["progress"].format(done=done, total=len(ROUTERS))
                  for done in range(1, len(ROUTERS))]

VOICE_SCRIPT = {
    "turns": [
        {"transcript": PLANS, "reply": PLANS_REPLY},
        {"transcript": INTERRUPTION, "preamble": PREAMBLE,
         "calls": [{"name": QUERY, "arguments": ARGUMENTS}],
         "then": {"reply": ANSWER}},
        {"transcript": IMPATIENCE, "reply": PATIENCE_REPLY}],
    "settings": {"voice": "demo", "ping_interval": 0.5}}

CALLER_LINES = (PLANS, INTERRUPTION, IMPATIENCE, THANKS)
AGENT_LINES = (PLANS_REPLY, PREAMBLE, PATIENCE_REPLY, ANSWER,
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
