"""The command ``orq-router`` (also ``python -m orq_router_integrations``): demo and serve."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from orq_router_integrations._version import __version__
from orq_router_integrations.errors import format_validation_error


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns the exit status."""
    chosen = _parser().parse_args(arguments)
    try:
        status: int = chosen.run(chosen)
    except BrokenPipeError:  # the reader, such as head, has seen enough
        sys.stderr.close()
        return 0
    except ValidationError as error:
        print(f"orq-router {chosen.command}: {format_validation_error(error)}", file=sys.stderr)
        return 1
    except (ValueError, ImportError, OSError) as error:
        print(f"orq-router {chosen.command}: {error}", file=sys.stderr)
        return 1
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orq-router", description="LangChain through the orq.ai AI Router."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    _add_demo(commands)
    _add_serve(commands)
    return parser


def _add_demo(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    demo = commands.add_parser(
        "demo",
        help="chat with files and a fallback, draw, edit, speak, transcribe",
        description="Uses the offline router, or the real one when ORQ_API_KEY is set.",
    )
    demo.add_argument("--image", type=Path, help="an image of yours (PNG, JPEG, GIF, WebP)")
    demo.add_argument("--pdf", type=Path, help="a PDF of yours")
    demo.add_argument("--audio", type=Path, help="a WAV or MP3 of yours")
    demo.add_argument("--model", default="openai/gpt-4o", help="the primary model")
    demo.add_argument(
        "--fallback", default="anthropic/claude-sonnet-4-5", help="the model behind it"
    )
    demo.add_argument("--keep", type=Path, help="a folder for the pictures and the speech")
    demo.set_defaults(run=_demo)


def _add_serve(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    serve = commands.add_parser(
        "serve", help="serve the offline router on this machine, for any OpenAI client"
    )
    serve.add_argument("--host", default="127.0.0.1", help="a loopback address")
    serve.add_argument("--port", type=int, default=8080, help="0 takes a free one")
    serve.add_argument(
        "--lenient",
        action="store_true",
        help="ignore fields that no documentation knows",
    )
    serve.set_defaults(run=_serve)


def _demo(chosen: argparse.Namespace) -> int:
    from orq_router_integrations.demo import run_demo  # noqa: PLC0415 - only for this command

    return run_demo(
        model=chosen.model,
        fallback=chosen.fallback,
        image=chosen.image,
        file=chosen.pdf,
        audio=chosen.audio,
        output_directory=chosen.keep,
    )


def _serve(chosen: argparse.Namespace) -> int:
    from orq_router_integrations.testing import OfflineRouter  # noqa: PLC0415
    from orq_router_integrations.testing.serve import serve  # noqa: PLC0415

    serve(chosen.host, chosen.port, OfflineRouter(lenient=chosen.lenient))
    return 0


if __name__ == "__main__":
    sys.exit(main())
