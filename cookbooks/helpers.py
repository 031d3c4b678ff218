"""Charts, pictures and files for the notebooks."""

import html
import io
import struct
import wave
import zlib
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.display import SVG

COLORS = ("#2c5fdb", "#94b3f6", "#f2a93b", "#5fa777")
OK_COLOR, ERROR_COLOR, PAUSE_COLOR = "#5fa777", "#d64545", "#d1d5db"
WIDTH = 640  # pixels


def draw(shapes: Iterable[str], height: int) -> SVG:
    """Draw SVG shapes on a white background."""
    return SVG(
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-8 -8 {WIDTH + 16} {height + 16}" '
        f'width="{WIDTH + 16}" font-family="sans-serif" font-size="13">'
        f'<rect x="-8" y="-8" width="{WIDTH + 16}" height="{height + 16}" fill="white"/>'
        f"{''.join(shapes)}</svg>"
    )


def draw_bar(position: tuple[float, float], width: float, height: float, color: str) -> str:
    x, y = position
    size = f'width="{width:.0f}" height="{height:.0f}"'
    return f'<rect x="{x:.0f}" y="{y:.0f}" {size} fill="{color}"/>'


def draw_picks(picks: Sequence[str], weights: Mapping[str, float]) -> SVG:
    """Draw the picks of a load balancer as squares, and the share of each model."""
    colors = dict(zip(weights, COLORS, strict=False))
    shapes = [
        draw_bar((n % 40 * 16, n // 40 * 16), 13, 13, colors[name]) for n, name in enumerate(picks)
    ]
    top = len(picks) // 40 * 16 + 18
    for row, (name, weight) in enumerate(weights.items()):
        y, share = top + 30 * row, picks.count(name) / len(picks)
        shapes += [
            f'<text x="0" y="{y + 13}">{html.escape(name)}</text>',
            draw_bar((220, y), share * 340, 16, colors[name]),
            f'<rect x="{219 + weight * 340:.0f}" y="{y - 4}" width="2" height="24"/>',
            f'<text x="560" y="{y + 13}">{share:.0%} of {weight:.0%}</text>',
        ]
    return draw(shapes, top + 30 * len(weights))


def draw_bars(values: Mapping[str, float], unit: str = "") -> SVG:
    """Draw one horizontal bar for each value."""
    scale = 300 / max(values.values())
    shapes = []
    for row, (name, value) in enumerate(values.items()):
        y, label = 30 * row, f"{value:g} {unit}"
        shapes += [
            f'<text x="0" y="{y + 15}">{html.escape(name)}</text>',
            draw_bar((230, y), value * scale, 20, COLORS[0]),
            f'<text x="{238 + value * scale:.0f}" y="{y + 15}">{html.escape(label)}</text>',
        ]
    return draw(shapes, 30 * len(values))


def draw_calls(log: Iterable[Any]) -> SVG:
    """Draw the provider calls of an offline router over time, with the pauses between them."""
    calls = list(log)
    total = sum(call.pause + max(call.seconds, 0.5) for call in calls)
    shapes, start = [], 0.0
    scale = (WIDTH - 230) / total
    for row, call in enumerate(calls):
        y, seconds = 30 * row, max(call.seconds, 0.5)
        pause_x, call_x = 230 + start * scale, 230 + (start + call.pause) * scale
        color = OK_COLOR if call.status == 200 else ERROR_COLOR
        shapes += [
            f'<text x="0" y="{y + 15}">{html.escape(call.model)}</text>',
            draw_bar((pause_x, y + 9), call.pause * scale, 3, PAUSE_COLOR),
            draw_bar((call_x, y), seconds * scale, 20, color),
            f'<text x="{call_x + 5:.0f}" y="{y + 15}" fill="white">{call.status}</text>',
        ]
        start += call.pause + seconds
    return draw(shapes, 30 * len(calls))


def draw_waveform(audio: bytes, words: Iterable[Any]) -> SVG:
    """Draw the waveform of a WAV file, with the transcribed words below it."""
    peaks, seconds = read_peaks(audio, WIDTH // 2)
    bars = [
        f'<rect x="{2 * n}" y="{50 - 45 * peak:.0f}" width="1.4" height="{90 * peak + 1:.0f}" '
        f'fill="{COLORS[0]}"/>'
        for n, peak in enumerate(peaks)
    ]
    scale = WIDTH / seconds
    labels = []
    for word in words:
        start, end = word.metadata["start"], word.metadata["end"]
        labels.append(
            f'<rect x="{start * scale:.0f}" y="106" height="20" rx="3" '
            f'width="{(end - start) * scale:.0f}" fill="#dbe6fd"/>'
            f'<text x="{start * scale + 5:.0f}" y="120" fill="#1f2937">'
            f"{html.escape(word.page_content)}</text>"
        )
    return draw(bars + labels, 134)


def read_peaks(audio: bytes, columns: int) -> tuple[list[float], float]:
    """Return the peak of each column relative to the highest one, and the duration in seconds."""
    with wave.open(io.BytesIO(audio)) as recording:
        samples = array("h", recording.readframes(recording.getnframes()))
        seconds = recording.getnframes() / recording.getframerate()
    step = len(samples) // columns
    peaks = [max(map(abs, samples[n * step : (n + 1) * step])) for n in range(columns)]
    return [peak / max(peaks) for peak in peaks], seconds


def create_mask(width: int, height: int) -> bytes:
    """Create a PNG whose upper half is opaque and whose lower half is transparent."""
    rows = [b"\0" + b"\0\0\0\xff" * width] * (height // 2) + [bytes(4 * width + 1)] * (height // 2)
    chunks = {
        b"IHDR": struct.pack(">2I5B", width, height, 8, 6, 0, 0, 0),
        b"IDAT": zlib.compress(b"".join(rows)),
        b"IEND": b"",
    }
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks.items()
    )


def create_pdf(pages: Iterable[str]) -> bytes:
    """Create a PDF that shows one line of text on each page."""
    parts = [b"%PDF-1.4"]
    for page in pages:
        content = f"BT /F1 12 Tf 72 720 Td ({page}) Tj ET".encode()
        parts.append(b"1 0 obj << /Type /Page >> endobj 2 0 obj << /Length 9 >>\nstream")
        parts.append(content + b"\nendstream endobj")
    return b"\n".join(parts)


def cut_wav(path: Path, start: float, end: float) -> bytes:
    """Return the part of a WAV file between two times in seconds, as a WAV file."""
    output = io.BytesIO()
    with wave.open(str(path)) as recording, wave.open(output, "wb") as part:
        part.setparams(recording.getparams())
        recording.setpos(int(start * recording.getframerate()))
        part.writeframes(recording.readframes(int((end - start) * recording.getframerate())))
    return output.getvalue()
