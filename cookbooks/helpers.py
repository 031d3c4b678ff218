"""Charts, images and audio for the notebooks."""

import base64
import html
import io
import wave
from array import array
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from IPython.display import HTML
from PIL import Image

BLUE, LIGHT_BLUE, ORANGE, GREEN = "#2c5fdb", "#94b3f6", "#f2a93b", "#2f8f5b"
RED, GRAY, PALE, INK = "#d64545", "#9ca3af", "#dbe6fd", "#1f2937"
WIDTH = 640  # of a chart, in pixels
LABEL_WIDTH = 220  # space for names to the left of bars


def draw_bars(values: Mapping[str, float], title: str = "") -> HTML:
    """Draw one horizontal bar for each value."""
    top = 30 if title else 0
    scale = (WIDTH - LABEL_WIDTH - 60) / max(values.values())
    shapes = [build_text(0, 15, title, weight="bold")]
    for row, (name, value) in enumerate(values.items()):
        y = top + 28 * row
        shapes += [
            build_text(0, y + 15, name),
            build_rect(LABEL_WIDTH, y, value * scale, 20, color=BLUE),
            build_text(LABEL_WIDTH + 8 + value * scale, y + 15, f"{value:g}"),
        ]
    summary = ", ".join(f"{name}: {value:g}" for name, value in values.items())
    return show_svg(shapes, top + 28 * len(values), f"{title or 'Bar chart'} ({summary})")


def draw_picks(picks: Sequence[str], weights: Mapping[str, float]) -> HTML:
    """Draw the picks of a load balancer as squares, and the share and weight of each model."""
    colors = dict(zip(weights, (BLUE, LIGHT_BLUE, ORANGE, GREEN), strict=False))
    shapes = [
        build_rect(n % 40 * 16, n // 40 * 16, 13, 13, color=colors[name])
        for n, name in enumerate(picks)
    ]
    top = -(-len(picks) // 40) * 16 + 18
    for row, (name, weight) in enumerate(weights.items()):
        y, share = top + 30 * row, picks.count(name) / len(picks)
        shapes += [
            build_text(0, y + 13, name),
            build_rect(LABEL_WIDTH, y, share * 340, 16, color=colors[name]),
            build_rect(LABEL_WIDTH + weight * 340 - 1, y - 4, 2, 24, color=INK),
            build_text(WIDTH, y + 13, f"{share:.0%} (weight {weight:.0%})", anchor="end"),
        ]
    return show_svg(shapes, top + 30 * len(weights), "Picks of the load balancer")


def draw_calls(log: Iterable[Any]) -> HTML:
    """Draw the provider calls of an offline router over time, with the pauses between them."""
    calls = list(log)
    widths = [max(call.seconds, 0.8) for call in calls]  # a call without duration stays visible
    total = sum(call.pause for call in calls) + sum(widths)
    scale = (WIDTH - LABEL_WIDTH) / total
    shapes, x = [], float(LABEL_WIDTH)
    for row, (call, width) in enumerate(zip(calls, widths, strict=True)):
        y, pause = 30 * row, call.pause * scale
        shapes.append(build_text(0, y + 15, call.model))
        if pause:
            shapes.append(build_rect(x, y + 14, pause, 3, color=GRAY))
            shapes.append(build_text(x + pause / 2, y + 10, f"{call.pause:g} s", anchor="middle"))
        x += pause
        label = f"{call.status} after {call.seconds:g} s" if call.seconds else str(call.status)
        color = GREEN if call.status == 200 else RED
        shapes.append(build_rect(x, y, width * scale, 22, color=color))
        shapes.append(build_text(x + 6, y + 15, label, color="white"))
        x += width * scale
    summary = ", ".join(f"{call.model}: {call.status}" for call in calls)
    return show_svg(shapes, 30 * len(calls), f"Calls over time ({summary})")


def draw_waveform(audio: bytes, words: Iterable[Any]) -> HTML:
    """Draw the loudness of a WAV file, with the transcribed words below it."""
    levels, seconds = measure_loudness(audio, columns=WIDTH // 4)
    scale = WIDTH / seconds
    shapes = [
        build_rect(4 * n, 46 - 44 * level, 2.5, 88 * level + 2, color=BLUE)
        for n, level in enumerate(levels)
    ]
    for word in words:
        start, end = word.metadata["start"] * scale, word.metadata["end"] * scale
        shapes.append(build_rect(start, 102, end - start, 22, color=PALE))
        shapes.append(build_text((start + end) / 2, 117, word.page_content, anchor="middle"))
    shapes += [
        build_text(second * scale, 144, f"{second} s", color=GRAY)
        for second in range(int(seconds) + 1)
    ]
    return show_svg(shapes, 148, "Waveform and transcribed words")


def measure_loudness(audio: bytes, columns: int) -> tuple[list[float], float]:
    """Return the loudness of each column relative to the highest, and the duration in seconds."""
    with wave.open(io.BytesIO(audio)) as recording:
        samples = array("h", recording.readframes(recording.getnframes()))
        seconds = recording.getnframes() / recording.getframerate()
    step = len(samples) // columns
    levels = [sum(map(abs, samples[n * step : (n + 1) * step])) for n in range(columns)]
    return [level / max(levels) for level in levels], seconds


def show_svg(shapes: Iterable[str], height: float, description: str) -> HTML:
    """Show SVG shapes on a white card, which shrinks with the page."""
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-12 -12 {WIDTH + 24} {height + 24}" '
        f'width="{WIDTH + 24}" height="{height + 24}" font-family="sans-serif" font-size="13">'
        f'<rect x="-12" y="-12" width="100%" height="100%" rx="6" fill="white"/>'
        f"{''.join(shapes)}</svg>"
    )
    return HTML(build_image_tag(svg.encode(), "svg+xml", description))


def show_images(images: Mapping[str, bytes], width: int = 320) -> HTML:
    """Show images next to each other, scaled to a width in pixels, with their titles."""
    figures = []
    for title, data in images.items():
        output = io.BytesIO()
        with Image.open(io.BytesIO(data)) as image:
            height = round(image.height * width / image.width)
            image.convert("RGB").resize((width, height)).save(output, "jpeg", quality=85)
        figures.append(
            '<div style="display: inline-block; margin-right: 8px">'
            f"{build_image_tag(output.getvalue(), 'jpeg', title)}<br>"
            f"<small>{html.escape(title)}</small></div>"
        )
    return HTML("".join(figures))


def build_image_tag(data: bytes, image_type: str, description: str) -> str:
    url = f"data:image/{image_type};base64,{base64.b64encode(data).decode()}"
    return f'<img src="{url}" alt="{html.escape(description)}" style="max-width: 100%">'


def build_rect(x: float, y: float, width: float, height: float, *, color: str) -> str:
    size = f'width="{width:.1f}" height="{height:.1f}"'
    return f'<rect x="{x:.1f}" y="{y:.1f}" {size} rx="1.5" fill="{color}"/>'


def build_text(
    x: float,
    y: float,
    text: str,
    *,
    color: str = INK,
    anchor: str = "start",
    weight: str = "normal",
) -> str:
    style = f'fill="{color}" text-anchor="{anchor}" font-weight="{weight}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{html.escape(text)}</text>'


def create_mask(width: int, height: int) -> bytes:
    """Create a PNG whose upper half is opaque and whose lower half is transparent."""
    mask = Image.new("RGBA", (width, height), "black")
    mask.paste((0, 0, 0, 0), (0, height // 2, width, height))
    output = io.BytesIO()
    mask.save(output, "png")
    return output.getvalue()


def cut_wav(path: Path, start: float, end: float) -> bytes:
    """Return the part of a WAV file between two times in seconds, as a WAV file."""
    output = io.BytesIO()
    with wave.open(str(path)) as recording, wave.open(output, "wb") as part:
        part.setparams(recording.getparams())
        recording.setpos(int(start * recording.getframerate()))
        part.writeframes(recording.readframes(int((end - start) * recording.getframerate())))
    return output.getvalue()


def print_messages(messages: Iterable[Any]) -> None:
    """Print each message of an agent on one line: its text, or its tool calls."""
    for message in messages:
        calls = [f"{call['name']}({call['args']})" for call in getattr(message, "tool_calls", ())]
        print(f"{message.type:>6}: {message.text or ', '.join(calls)}")
