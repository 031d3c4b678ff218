"""The offline router over HTTP: the stock openai client against the ASGI app on loopback."""

import sys

import httpx
import openai
import pytest
import uvicorn
from support.served_router import served

from orq_router_integrations.offline import Fault, OfflineRouter
from orq_router_integrations.offline.asgi import asgi_app
from orq_router_integrations.offline.serve import serve

USER = [{"role": "user", "content": "What is magic_function(3)?"}]


@pytest.fixture
def base_url():
    """A served router whose first model is broken after two chunks."""
    router = OfflineRouter(faults={"openai/broken": Fault(cut_after=2)})
    with served(router) as url:
        yield url


@pytest.fixture
def client(base_url):
    with openai.OpenAI(api_key="any", base_url=base_url, max_retries=0) as client:
        yield client


class TestOpenAIClient:
    def test_a_chat(self, client):
        reply = client.chat.completions.create(model="openai/gpt-4o", messages=USER)
        assert reply.choices[0].message.content.startswith("Offline answer from openai/gpt-4o")
        assert reply.usage.total_tokens > 0

    def test_a_stream(self, client):
        stream = client.chat.completions.create(
            model="openai/gpt-4o",
            messages=USER,
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = list(stream)
        text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
        assert text.startswith("Offline answer")
        assert chunks[-1].usage.total_tokens > 0

    def test_tools(self, client, tool):
        magic = tool("magic_function", input={"type": "integer"})
        reply = client.chat.completions.create(
            model="openai/gpt-4o", messages=USER, tools=[magic], tool_choice="required"
        )
        (call,) = reply.choices[0].message.tool_calls
        assert (call.function.name, call.function.arguments) == ("magic_function", '{"input":3}')

    def test_errors_and_the_list_of_models(self, client):
        with pytest.raises(openai.NotFoundError, match="not enabled"):
            client.chat.completions.create(model="nobody/x", messages=USER)
        assert "openai/gpt-4o" in {model.id for model in client.models.list()}

    def test_a_stream_that_breaks_off(self, client):
        stream = client.chat.completions.create(model="openai/broken", messages=USER, stream=True)
        assert len(list(stream)) == 2

    def test_speech_comes_in_pieces(self, client):
        with client.audio.speech.with_streaming_response.create(
            model="openai/tts-1", input="Hello there.", voice="alloy", response_format="wav"
        ) as reply:
            assert reply.headers["content-type"] == "audio/wav"
            assert b"".join(reply.iter_bytes()).startswith(b"RIFF\xff\xff\xff\xffWAVE")

    def test_speech_that_breaks_off_breaks_the_connection(self, client):
        with client.audio.speech.with_streaming_response.create(
            model="openai/broken", input="Hello there. " * 9, voice="alloy"
        ) as reply:
            pieces = reply.iter_bytes()
            assert next(pieces)
            with pytest.raises(Exception, match="incomplete chunked read"):
                list(pieces)


class TestAsgiApp:
    async def test_events_go_out_one_by_one(self):
        sent = []
        body = b'{"model": "openai/gpt-4o", "stream": true, "messages": ['
        pieces = [body, b'{"role": "user", "content": "hi"}]}']

        async def receive():
            piece = pieces.pop(0)
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(event):
            sent.append(event)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v3/router/chat/completions",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer k")],
        }
        await asgi_app(OfflineRouter())(scope, receive, send)
        assert sent[0]["status"] == 200
        assert (b"x-orq-offline", b"1") in sent[0]["headers"]
        events = [event["body"] for event in sent[1:-1]]
        assert len(events) > 5
        assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
        assert sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    async def test_lifespan_is_answered(self):
        events = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
        sent = []

        async def receive():
            return events.pop(0)

        async def send(event):
            sent.append(event["type"])

        await asgi_app(OfflineRouter())({"type": "lifespan"}, receive, send)
        assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    async def test_other_protocols_are_refused(self):
        with pytest.raises(ValueError, match="websocket"):
            await asgi_app(OfflineRouter())({"type": "websocket"}, None, None)

    async def test_httpx_can_call_it_in_process(self):
        transport = httpx.ASGITransport(app=asgi_app(OfflineRouter()))
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as http:
            reply = await http.get("/v3/router/models", headers={"Authorization": "Bearer k"})
        assert reply.json()["object"] == "list"


class TestServe:
    @pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.com", "::"])
    def test_only_loopback(self, host):
        with pytest.raises(ValueError, match="loopback"):
            serve(host=host)

    def test_it_prints_the_base_url_of_what_it_listens_on(
        self, socket_enabled, monkeypatch, capsys
    ):
        ports = []

        def run(self, sockets):
            ports.extend(sock.getsockname()[1] for sock in sockets)

        monkeypatch.setattr(uvicorn.Server, "run", run)
        serve(port=0)
        assert f"http://127.0.0.1:{ports[0]}/v3/router" in capsys.readouterr().out

    def test_a_missing_uvicorn_names_the_extra(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        with pytest.raises(ImportError, match=r"orq-router-integrations\[serve\]"):
            serve()
