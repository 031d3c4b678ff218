"""The command ``orq-router``, also available as ``python -m orq_router_integrations``."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from orq_router_integrations._version import __version__
from orq_router_integrations.errors import RouterError, raise_input_errors


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return the exit status.

    Args:
        arguments: Command line arguments. Defaults to those of the process.
    """
    args = _create_parser().parse_args(arguments)
    run = _run_demo if args.command == "demo" else _serve
    try:
        with raise_input_errors():
            run(args)
    except (RouterError, ImportError, OSError) as error:
        print(f"orq-router {args.command}: {error}", file=sys.stderr)
        return 1
    return 0


def _create_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orq-router", description="LangChain integrations for the orq.ai AI Router."
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo",
        help="demonstrate chat with files and a fallback, images, speech and transcription",
        description="Uses the offline router, or the real one if ORQ_API_KEY is set.",
    )
    demo.add_argument("--image", type=Path, help="your own image (PNG, JPEG, GIF or WebP)")
    demo.add_argument("--pdf", type=Path, help="your own PDF")
    demo.add_argument("--audio", type=Path, help="your own recording (WAV or MP3)")
    demo.add_argument("--model", default="openai/gpt-4o", help="the primary model")
    demo.add_argument("--fallback", default="anthropic/claude-sonnet-4-5", help="its fallback")
    demo.add_argument("--keep", type=Path, help="directory for the images and the speech")
    serve = commands.add_parser(
        "serve", help="serve the offline router on this machine, for any OpenAI client"
    )
    serve.add_argument("--port", type=int, default=8080, help="0 picks a free port")
    serve.add_argument("--lenient", action="store_true", help="ignore undocumented request fields")
    serve.add_argument(
        "--requests-per-minute", type=int, metavar="N", help="requests per minute before 429"
    )
    delay: dict[str, Any] = {"type": float, "default": 0.0, "metavar": "S"}
    serve.add_argument("--latency", **delay, help="seconds before each response")
    serve.add_argument("--chunk-latency", **delay, help="seconds before each chunk of a stream")
    serve.add_argument(
        "--fault",
        action="append",
        default=[],
        type=_parse_fault,
        metavar="MODEL=STATUS",
        help="error of a model, such as openai/gpt-4o=503; repeat it for other models",
    )
    serve.add_argument("--record", type=Path, metavar="FILE", help="append requests as JSON lines")
    return parser


def _parse_fault(value: str) -> tuple[str, int]:
    model, _, status = value.rpartition("=")
    if not model or not status.isdecimal():
        raise argparse.ArgumentTypeError(f"expected MODEL=STATUS, got {value!r}")
    return model, int(status)


def _run_demo(args: argparse.Namespace) -> None:
    from orq_router_integrations.demo import run_demo  # noqa: PLC0415 - only for this command

    run_demo(
        args.model,
        args.fallback,
        image=args.image,
        pdf=args.pdf,
        audio=args.audio,
        output_directory=args.keep,
    )


def _serve(args: argparse.Namespace) -> None:
    from orq_router_integrations.testing import OfflineRouter  # noqa: PLC0415
    from orq_router_integrations.testing.serve import serve  # noqa: PLC0415

    faults = dict(args.fault)
    if len(faults) < len(args.fault):
        raise ValueError("--fault: only one status per model is supported.")
    names = ("requests_per_minute", "lenient", "latency", "chunk_latency")
    options = {name: getattr(args, name) for name in names}
    serve(args.port, OfflineRouter(faults=faults, **options), record=args.record)


if __name__ == "__main__":
    sys.exit(main())
