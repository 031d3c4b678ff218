"""The exact bytes of a chat request and a transcription request on each dialect.

The router's cache and recorded cassettes depend on these bytes, so a change must be deliberate.
"""

import io

import pytest

from orq_router_integrations.wire.call import Request, Upload
from orq_router_integrations.wire.controls import RouterControls
from orq_router_integrations.wire.endpoints import CHAT_COMPLETIONS, TRANSCRIPTIONS, Dialect
from orq_router_integrations.wire.request_encoding import encode_request

CHAT = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hé"}]}
FORM = {
    "model": "openai/whisper-1",
    "temperature": 0.5,
    "diarize": False,
    "num_speakers": 2,
    "timestamp_granularities": ["word", "segment"],
}
FILES = {"file": Upload('a "b".wav', "audio/wav", 5, lambda: io.BytesIO(b"\x01\r\n\r\n"))}

COMMON_CONTROLS = {
    "fallbacks": ["azure/gpt-4o"],
    "fallback_on_codes": [429, 503],
    "retry": {"count": 2, "on_codes": [500]},
    "load_balancer": {"models": [{"model": "openai/gpt-4o", "weight": 0.7}]},
    "timeout": {"call_timeout": 30_000},
    "name": "n",
}
IDENTITY = {"id": "u1", "email": "j@example.com", "metadata": {"team": "a"}, "tags": ["hr"]}
CHAT_CONTROLS = {
    "cache": {},
    "thread": "t1",
    "metadata": {"env": "dev"},
    "variables": {"city": "Utrecht"},
}
ROUTER_CONTROLS = {
    "guardrails": [{"id": "orq_pii_detection", "execute_on": "input"}],
    "plugins": [{"id": "trace_scrubbing", "mask": ["input"]}],
}

JSON_BODIES = {
    "v3/router": """
{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hé"}],
"fallbacks":[{"model":"azure/gpt-4o"}],
"fallback_on_codes":[429,503],
"retry":{"count":2,"on_codes":[500]},
"load_balancer":{"type":"weight_based","models":[{"model":"openai/gpt-4o","weight":0.7}]},
"cache":{"type":"exact_match","ttl":3600},
"timeout":{"call_timeout":30000},
"name":"n",
"identity":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]},
"thread":{"id":"t1"},
"metadata":{"env":"dev"},
"guardrails":[{"id":"orq_pii_detection","execute_on":"input"}],
"plugins":[{"id":"trace_scrubbing","mask":["input"]}],
"variables":{"city":"Utrecht"}}
""",
    "v2/router": """
{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hé"}],
"fallbacks":[{"model":"azure/gpt-4o"}],
"fallback_on_codes":[429,503],
"retry":{"count":2,"on_codes":[500]},
"load_balancer":{"type":"weight_based","models":[{"model":"openai/gpt-4o","weight":0.7}]},
"cache":{"type":"exact_match","ttl":3600},
"timeout":{"call_timeout":30000},
"name":"n",
"metadata":{"env":"dev"},
"guardrails":[{"id":"orq_pii_detection","execute_on":"input"}],
"plugins":[{"id":"trace_scrubbing","mask":["input"]}],
"variables":{"city":"Utrecht"},
"orq":{
"identity":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]},
"thread":{"id":"t1"}}}
""",
    "v2/gateway": """
{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hé"}],
"metadata":{"env":"dev"},
"orq":{
"fallbacks":[{"model":"azure/gpt-4o"}],
"fallback_on_codes":[429,503],
"retry":{"count":2,"on_codes":[500]},
"load_balancer":[{"model":"openai/gpt-4o","weight":0.7}],
"cache":{"type":"exact_match","ttl":3600},
"timeout":{"call_timeout":30000},
"name":"n",
"contact":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]},
"thread":{"id":"t1"},
"inputs":{"city":"Utrecht"}}}
""",
    "v2/proxy": """
{"model":"openai/gpt-4o","messages":[{"role":"user","content":"Hé"}],
"metadata":{"env":"dev"},
"orq":{
"fallbacks":[{"model":"azure/gpt-4o"}],
"fallback_on_codes":[429,503],
"retry":{"count":2,"on_codes":[500]},
"load_balancer":{"type":"weight_based","models":[{"model":"openai/gpt-4o","weight":0.7}]},
"cache":{"type":"exact_match","ttl":3600},
"timeout":{"call_timeout":30000},
"name":"n",
"identity":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]},
"thread":{"id":"t1"},
"inputs":{"city":"Utrecht"}}}
""",
}

FORM_FIELDS = """--BOUNDARY
Content-Disposition: form-data; name="model"

openai/whisper-1
--BOUNDARY
Content-Disposition: form-data; name="temperature"

0.5
--BOUNDARY
Content-Disposition: form-data; name="diarize"

false
--BOUNDARY
Content-Disposition: form-data; name="num_speakers"

2
--BOUNDARY
Content-Disposition: form-data; name="timestamp_granularities[]"

word
--BOUNDARY
Content-Disposition: form-data; name="timestamp_granularities[]"

segment
"""

FORM_FILE = """--BOUNDARY
Content-Disposition: form-data; name="file"; filename="a %22b%22.wav"
Content-Type: audio/wav

\x01


--BOUNDARY--
"""

TOP_CONTROLS = """--BOUNDARY
Content-Disposition: form-data; name="fallbacks"
Content-Type: application/json

[{"model":"azure/gpt-4o"}]
--BOUNDARY
Content-Disposition: form-data; name="fallback_on_codes[]"

429
--BOUNDARY
Content-Disposition: form-data; name="fallback_on_codes[]"

503
--BOUNDARY
Content-Disposition: form-data; name="retry"
Content-Type: application/json

{"count":2,"on_codes":[500]}
--BOUNDARY
Content-Disposition: form-data; name="load_balancer"
Content-Type: application/json

{"type":"weight_based","models":[{"model":"openai/gpt-4o","weight":0.7}]}
--BOUNDARY
Content-Disposition: form-data; name="timeout"
Content-Type: application/json

{"call_timeout":30000}
--BOUNDARY
Content-Disposition: form-data; name="name"

n
"""

ORQ = """--BOUNDARY
Content-Disposition: form-data; name="orq"
Content-Type: application/json

"""

V2_ROUTER_ORQ = """\
{"identity":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]}}
"""

V2_GATEWAY_ORQ = """\
{"fallbacks":[{"model":"azure/gpt-4o"}],"fallback_on_codes":[429,503],\
"retry":{"count":2,"on_codes":[500]},\
"load_balancer":[{"model":"openai/gpt-4o","weight":0.7}],\
"timeout":{"call_timeout":30000},"name":"n",\
"contact":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]}}
"""

V2_PROXY_ORQ = """\
{"fallbacks":[{"model":"azure/gpt-4o"}],"fallback_on_codes":[429,503],\
"retry":{"count":2,"on_codes":[500]},\
"load_balancer":{"type":"weight_based","models":[{"model":"openai/gpt-4o","weight":0.7}]},\
"timeout":{"call_timeout":30000},"name":"n",\
"identity":{"id":"u1","email":"j@example.com","metadata":[{"team":"a"}],"tags":["hr"]}}
"""

FORM_BODIES = {
    "v3/router": FORM_FIELDS + TOP_CONTROLS + FORM_FILE,
    "v2/router": FORM_FIELDS + TOP_CONTROLS + ORQ + V2_ROUTER_ORQ + FORM_FILE,
    "v2/gateway": FORM_FIELDS + ORQ + V2_GATEWAY_ORQ + FORM_FILE,
    "v2/proxy": FORM_FIELDS + ORQ + V2_PROXY_ORQ + FORM_FILE,
}


@pytest.mark.parametrize("dialect", JSON_BODIES)
def test_bytes_of_chat_request(dialect):
    router_controls = ROUTER_CONTROLS if dialect.endswith("/router") else {}
    controls = RouterControls(
        **COMMON_CONTROLS, **CHAT_CONTROLS, **router_controls, identity=IDENTITY
    )
    request = Request(endpoint=CHAT_COMPLETIONS, body=CHAT, controls=controls)
    body = encode_request(request, Dialect(dialect)).body
    assert body.decode() == JSON_BODIES[dialect].replace("\n", "")


@pytest.mark.parametrize("dialect", FORM_BODIES)
def test_bytes_of_transcription_request(dialect):
    identity = {"id": "u1"} if dialect == "v3/router" else IDENTITY
    controls = RouterControls(**COMMON_CONTROLS, identity=identity)
    request = Request(endpoint=TRANSCRIPTIONS, body=FORM, files=FILES, controls=controls)
    form = encode_request(request, Dialect(dialect)).body
    body = b"".join(form).replace(form.boundary.encode(), b"BOUNDARY")
    assert body.decode() == FORM_BODIES[dialect].replace("\n", "\r\n")


def test_headers_of_transcription_request():
    controls = RouterControls(identity="u1", metadata={"env": "dev", "Cost-Center": "7"})
    request = Request(endpoint=TRANSCRIPTIONS, body=FORM, files=FILES, controls=controls)
    encoded = encode_request(request, Dialect.V3_ROUTER)
    assert encoded.headers == {
        "X-ORQ-IDENTITY-ID": "u1",
        "X-ORQ-METADATA-ENV": "dev",
        "X-ORQ-METADATA-COST-CENTER": "7",
        "Content-Type": f"multipart/form-data; boundary={encoded.body.boundary}",
        "Content-Length": str(len(b"".join(encoded.body))),
    }
