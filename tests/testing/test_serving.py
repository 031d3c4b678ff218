"""The ASGI app and ``serve``. Clients of other packages are tested in ``tests/interop``."""

import json
import socket
import sys

import httpx
import pytest
import uvicorn

from orq_router_integrations.testing import OfflineRouter
from orq_router_integrations.testing.serve import create_asgi_app, serve


class TestAsgiApp:
    async def test_events_are_sent_separately(self):
        asgi_events = []
        body = b'{"model": "openai/gpt-4o", "stream": true, "messages": ['
        chunks = [body, b'{"role": "user", "content": "hi"}]}']

        async def receive():
            chunk = chunks.pop(0)
            return {"type": "http.request", "body": chunk, "more_body": bool(chunks)}

        async def send(event):
            asgi_events.append(event)

        scope = {
            "type": "http",
            "method": "POST",
            "path": "/v3/router/chat/completions",
            "query_string": b"",
            "headers": [(b"authorization", b"Bearer k")],
        }
        await create_asgi_app(OfflineRouter())(scope, receive, send)
        assert asgi_events[0]["status"] == 200
        assert (b"x-orq-offline", b"1") in asgi_events[0]["headers"]
        events = [event["body"] for event in asgi_events[1:-1]]
        assert len(events) > 5
        assert all(event.startswith(b"data: ") and event.endswith(b"\n\n") for event in events)
        assert asgi_events[-1] == {"type": "http.response.body", "body": b"", "more_body": False}

    async def test_lifespan_completes(self):
        events, sent_types = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

        async def receive():
            return events.pop(0)

        async def send(event):
            sent_types.append(event["type"])

        await create_asgi_app(OfflineRouter())({"type": "lifespan"}, receive, send)
        assert sent_types == ["lifespan.startup.complete", "lifespan.shutdown.complete"]

    async def test_other_protocols_raise(self):
        with pytest.raises(ValueError, match="websocket"):
            await create_asgi_app(OfflineRouter())({"type": "websocket"}, None, None)

    async def test_httpx_asgi_transport_works(self):
        transport = httpx.ASGITransport(app=create_asgi_app(OfflineRouter()))
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as http:
            response = await http.get("/v3/router/models", headers={"Authorization": "Bearer k"})
        assert response.json()["object"] == "list"


class TestServe:
    @pytest.mark.parametrize(("keys", "shown_key"), [(None, "any"), (["sk-secret"], "...")])
    def test_prints_how_to_connect(self, socket_enabled, monkeypatch, capsys, keys, shown_key):
        ports = []

        def run(self, sockets):
            ports.extend(sock.getsockname()[1] for sock in sockets)

        monkeypatch.setattr(uvicorn.Server, "run", run)
        serve(port=0, router=OfflineRouter(api_keys=keys))
        url = f"http://127.0.0.1:{ports[0]}/v3/router"
        output = capsys.readouterr().out
        assert output == f"To connect, set ORQ_BASE_URL={url} ORQ_API_KEY={shown_key}\n"

    def test_interrupt_ends_without_a_traceback(self, socket_enabled, monkeypatch):
        def run(self, sockets):
            raise KeyboardInterrupt  # as uvicorn does after ctrl-c

        monkeypatch.setattr(uvicorn.Server, "run", run)
        serve(port=0)

    def test_port_in_use_names_the_argument(self, socket_enabled):
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            with pytest.raises(OSError, match=rf"{port}\)\)\. .* --port \(port= in Python\)"):
                serve(port=port)

    async def test_requests_are_recorded(self, tmp_path):
        record = tmp_path / "requests.jsonl"
        transport = httpx.ASGITransport(app=create_asgi_app(OfflineRouter(), record=record))
        headers = {"Authorization": "Bearer sk-secret"}
        body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": "Hi"}]}
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as http:
            await http.get("/v3/router/models", headers=headers)
            await http.post("/v3/router/chat/completions", headers=headers, json=body)
        first, second = map(json.loads, record.read_text().splitlines())
        assert (first["method"], first["path"], first["status"]) == (
            "GET",
            "/v3/router/models",
            200,
        )
        assert second["body"] == body
        assert "sk-secret" not in record.read_text()

    async def test_request_is_recorded_if_its_answer_sends_another(self, tmp_path):
        def answer(body):
            if body["messages"][-1]["content"] == "outer":
                return router.handle(create_request("inner")).json()["model"]
            return "Hi"

        def create_request(text):
            body = {"model": "openai/gpt-4o", "messages": [{"role": "user", "content": text}]}
            url = "http://h/v3/router/chat/completions"
            return httpx.Request("POST", url, json=body, headers={"Authorization": "Bearer k"})

        router, record = OfflineRouter(answers=answer), tmp_path / "requests.jsonl"
        transport = httpx.ASGITransport(app=create_asgi_app(router, record=str(record)))
        async with httpx.AsyncClient(transport=transport) as http:
            await http.send(create_request("outer"))
        (line,) = map(json.loads, record.read_text().splitlines())
        assert line["body"]["messages"][0]["content"] == "outer"

    async def test_last_requests_are_kept(self):
        router = OfflineRouter()
        transport = httpx.ASGITransport(app=create_asgi_app(router, max_records=2))
        headers = {"Authorization": "Bearer k"}
        async with httpx.AsyncClient(transport=transport, base_url="http://h") as http:
            responses = [await http.get("/v3/router/models", headers=headers) for _ in range(3)]
        assert len(router.requests) == 2
        assert len({response.headers["x-orq-trace-id"] for response in responses}) == 3

    def test_record_that_cannot_be_written_raises(self, tmp_path):
        with pytest.raises(OSError, match="No such file"):
            serve(port=0, record=tmp_path / "missing" / "requests.jsonl")

    def test_missing_uvicorn_names_the_package(self, monkeypatch):
        monkeypatch.setitem(sys.modules, "uvicorn", None)
        with pytest.raises(ImportError, match="pip install uvicorn"):
            serve()
