"""The exact bytes of a speech request on each dialect, as the speech tool sends them."""

import pytest
from support.scripted_router import Script, create_client, respond_with_stream

from orq_router_integrations import OrqSpeechTool

CONTROLS = {
    "fallbacks": ["elevenlabs/eleven_v3"],
    "retry": {"count": 2, "on_codes": [503]},
    "load_balancer": {"models": [{"model": "openai/tts-1", "weight": 0.7}]},
    "timeout": {"call_timeout": 30_000},
    "name": "n",
}
IDENTITY_AND_THREAD = {"identity": {"id": "u1", "tags": ["hr"]}, "thread": "t1"}

BODIES = {
    "v3/router": """
{"model":"openai/tts-1","input":"Hé","voice":"alloy","response_format":"wav","speed":1.5,
"fallbacks":[{"model":"elevenlabs/eleven_v3"}],
"retry":{"count":2,"on_codes":[503]},
"load_balancer":{"type":"weight_based","models":[{"model":"openai/tts-1","weight":0.7}]},
"timeout":{"call_timeout":30000},
"name":"n"}
""",
    "v2/router": """
{"model":"openai/tts-1","input":"Hé","voice":"alloy","response_format":"wav","speed":1.5,
"fallbacks":[{"model":"elevenlabs/eleven_v3"}],
"retry":{"count":2,"on_codes":[503]},
"load_balancer":{"type":"weight_based","models":[{"model":"openai/tts-1","weight":0.7}]},
"timeout":{"call_timeout":30000},
"name":"n",
"orq":{
"identity":{"id":"u1","tags":["hr"]},
"thread":{"id":"t1"}}}
""",
    "v2/gateway": """
{"model":"openai/tts-1","input":"Hé","voice":"alloy","response_format":"wav","speed":1.5,
"orq":{
"fallbacks":[{"model":"elevenlabs/eleven_v3"}],
"retry":{"count":2,"on_codes":[503]},
"load_balancer":[{"model":"openai/tts-1","weight":0.7}],
"timeout":{"call_timeout":30000},
"name":"n",
"contact":{"id":"u1","tags":["hr"]},
"thread":{"id":"t1"}}}
""",
    "v2/proxy": """
{"model":"openai/tts-1","input":"Hé","voice":"alloy","response_format":"wav","speed":1.5,
"orq":{
"fallbacks":[{"model":"elevenlabs/eleven_v3"}],
"retry":{"count":2,"on_codes":[503]},
"load_balancer":{"type":"weight_based","models":[{"model":"openai/tts-1","weight":0.7}]},
"timeout":{"call_timeout":30000},
"name":"n",
"identity":{"id":"u1","tags":["hr"]},
"thread":{"id":"t1"}}}
""",
}


@pytest.mark.parametrize("dialect", BODIES)
def test_bytes_of_speech_request(dialect):
    script = Script(respond_with_stream(bytes(100), kind="audio/pcm"))
    is_v3 = dialect == "v3/router"
    tool = OrqSpeechTool(
        model="openai/tts-1",
        voice="alloy",
        audio_format="wav",
        speed=1.5,
        controls=CONTROLS | ({"identity": "u1"} if is_v3 else IDENTITY_AND_THREAD),
        client=create_client(script, base_url=f"https://router.example/{dialect}"),
    )
    tool.synthesize("Hé")
    (request,) = script.requests
    assert request.url == f"https://router.example/{dialect}/audio/speech"
    assert request.content.decode() == BODIES[dialect].replace("\n", "")
    assert request.headers["content-type"] == "application/json"
    assert request.headers.get("x-orq-identity-id") == ("u1" if is_v3 else None)
