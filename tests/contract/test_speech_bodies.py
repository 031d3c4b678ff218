"""The literal bytes of a speech call by the tool, in each dialect that the router has had."""

import pytest
from support.scripted_router import Script, client_of, streams

from orq_router_integrations import OrqSpeechTool

CONTROLS = {
    "fallbacks": ["elevenlabs/eleven_v3"],
    "retry": {"count": 2, "on_codes": [503]},
    "load_balancer": {"models": [{"model": "openai/tts-1", "weight": 0.7}]},
    "timeout": {"call_timeout": 30_000},
    "name": "n",
}
WHO = {"identity": {"id": "u1", "tags": ["hr"]}, "thread": "t1"}

OWN = '"model":"openai/tts-1","input":"Hé","voice":"alloy","response_format":"wav","speed":1.5'
CHAIN = '"fallbacks":[{"model":"elevenlabs/eleven_v3"}],"retry":{"count":2,"on_codes":[503]}'
MODELS = '[{"model":"openai/tts-1","weight":0.7}]'
BALANCER = f'"load_balancer":{{"type":"weight_based","models":{MODELS}}}'
REST = '"timeout":{"call_timeout":30000},"name":"n"'
PERSON = '{"id":"u1","tags":["hr"]}'
THREAD = '"thread":{"id":"t1"}'

BODIES = {
    "v3/router": f"{{{OWN},{CHAIN},{BALANCER},{REST}}}",
    "v2/router": f'{{{OWN},{CHAIN},{BALANCER},{REST},"orq":{{"identity":{PERSON},{THREAD}}}}}',
    "v2/gateway": (
        f'{{{OWN},"orq":{{{CHAIN},"load_balancer":{MODELS},{REST},"contact":{PERSON},{THREAD}}}}}'
    ),
    "v2/proxy": f'{{{OWN},"orq":{{{CHAIN},{BALANCER},{REST},"identity":{PERSON},{THREAD}}}}}',
}


@pytest.mark.parametrize("dialect", BODIES)
def test_the_bytes_of_a_speech_call(dialect):
    script = Script(streams(bytes(100), kind="audio/pcm"))
    who = {"identity": "u1"} if dialect == "v3/router" else WHO
    tool = OrqSpeechTool(
        model="openai/tts-1",
        voice="alloy",
        audio_format="wav",
        speed=1.5,
        controls={**CONTROLS, **who},
        client=client_of(script, base_url=f"https://router.example/{dialect}"),
    )
    tool.synthesize("Hé")
    (request,) = script.requests
    assert request.url == f"https://router.example/{dialect}/audio/speech"
    assert request.content.decode() == BODIES[dialect]
    assert request.headers["content-type"] == "application/json"
    named = request.headers.get("x-orq-identity-id")
    assert named == ("u1" if dialect == "v3/router" else None)
