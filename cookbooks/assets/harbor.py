"""Render ``harbor.jpg``, a harbor at dusk, the photo of the notebooks. Requires numpy, Pillow."""

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT, HORIZON = 960, 640, 352  # pixels
SUN = (560, 292)
SKY = {0.0: (34, 48, 92), 0.45: (104, 92, 136), 0.75: (222, 134, 106), 1.0: (255, 196, 120)}
random = np.random.default_rng(8)


def create_noise(columns: int, rows: int, shape: tuple[int, int]) -> np.ndarray:
    """Create smooth noise between 0 and 1, as the sum of random grids."""
    total = np.zeros(shape)
    for octave in range(5):
        grid = random.random((rows << octave, columns << octave)) * 255
        layer = Image.fromarray(grid.astype("uint8")).resize(shape[::-1], Image.Resampling.BICUBIC)
        total += np.asarray(layer) / 255 / 2**octave
    return (total - total.min()) / np.ptp(total)


def blend(image: np.ndarray, color: tuple[int, int, int], amount: np.ndarray) -> np.ndarray:
    return image + (np.array(color) - image) * amount[..., None]


def render_sky() -> np.ndarray:
    """Render a gradient, the glow of the sun, and clouds that it lights from below."""
    rows, columns = np.mgrid[0:HORIZON, 0:WIDTH]
    stops = np.array(list(SKY.values()))
    sky = np.stack([np.interp(rows / HORIZON, list(SKY), channel) for channel in stops.T], -1)
    radius = np.hypot(columns - SUN[0], rows - SUN[1])
    distance = np.hypot((columns - SUN[0]) / 1.7, rows - SUN[1])  # the glow is wider than high
    sky = blend(sky, (255, 226, 160), 0.75 * np.exp(-distance / 90))
    clouds = (
        np.clip(create_noise(3, 9, rows.shape) * 2.6 - 1.35, 0, 1) * (1 - rows / HORIZON) ** 0.3
    )
    sky = blend(sky, (92, 70, 104), 0.7 * clouds)
    lit = np.clip(clouds - np.pad(clouds, ((5, 0), (0, 0)), "edge")[:-5], 0, 1) * np.exp(
        -distance / 380
    )
    sky = blend(sky, (255, 170, 120), np.clip(5 * lit, 0, 0.8))
    return blend(sky, (255, 244, 214), np.clip(17 - radius, 0, 1))


def draw_hills(draw: ImageDraw.ImageDraw) -> None:
    """Draw three rows of hills, the nearest one darkest, with the lights of a town."""
    for height, color in ((70, (150, 104, 116)), (44, (104, 78, 100)), (20, (58, 50, 74))):
        ridge = create_noise(4, 1, (2, WIDTH))[0] * height
        points = [(x, HORIZON - 4 - ridge[x]) for x in range(WIDTH)]
        draw.polygon([(0, HORIZON), *points, (WIDTH, HORIZON)], fill=color)
    for x in random.uniform(20, WIDTH - 20, 70):
        y, radius = HORIZON - random.uniform(3, 14), random.uniform(0.7, 1.7)
        color = (255, int(random.uniform(180, 225)), 130)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)


def draw_boat(draw: ImageDraw.ImageDraw, x: float, y: float, size: float) -> None:
    """Draw a sailing boat with a furled sail and a light in its cabin."""
    dark = (30, 26, 40, 255)

    def scale(*points: tuple[float, float]) -> list[tuple[float, float]]:
        return [(x + size * dx, y - size * dy) for dx, dy in points]

    draw.polygon(scale((-1, 0.3), (1.15, 0.36), (0.85, 0), (-0.85, 0)), fill=dark)
    draw.line(scale((-1, 0.25), (1.12, 0.31)), fill=(196, 178, 178, 255), width=int(size / 18))
    draw.polygon(
        scale((-0.5, 0.3), (-0.4, 0.52), (0.2, 0.54), (0.35, 0.32)), fill=(62, 50, 66, 255)
    )
    draw.rectangle(scale((-0.3, 0.49), (-0.12, 0.4)), fill=(255, 208, 130, 255))
    draw.line(scale((0.1, 0.3), (0.1, 3.1)), fill=dark, width=int(size / 14))
    for line in (((0.1, 3.1), (1.12, 0.36)), ((0.1, 3.1), (-0.98, 0.3)), ((0.1, 2.1), (0.4, 2.1))):
        draw.line(scale(*line), fill=dark, width=int(size / 40))
    draw.line(scale((0.1, 0.8), (-0.95, 0.72)), fill=(206, 190, 190, 255), width=int(size / 9))


def render_water(scene: Image.Image) -> Image.Image:
    """Reflect the scene above the horizon in waves that grow towards the viewer."""
    rows, columns = np.mgrid[0 : HEIGHT - HORIZON, 0:WIDTH]
    depth = rows / rows.max()
    waves = create_noise(10, 60, rows.shape) - 0.5
    source_rows = np.clip(HORIZON - 1 - rows * 0.98 + waves * (6 + 90 * depth), 0, HORIZON - 1)
    source_columns = np.clip(columns + waves * (4 + 40 * depth), 0, WIDTH - 1)
    water = np.asarray(scene).astype(float)[source_rows.astype(int), source_columns.astype(int)]
    water = blend(water * 0.86, (24, 34, 62), 0.25 + 0.4 * depth)
    path = np.exp(-np.abs(columns - SUN[0]) / (16 + 120 * depth))
    glitter = np.clip(create_noise(40, 90, rows.shape) * 3 - 1.7, 0, 1) * path
    water = Image.fromarray(blend(water, (255, 206, 140), 0.9 * glitter).astype("uint8"))
    return water.filter(ImageFilter.GaussianBlur(0.8))


def draw_pier(image: Image.Image) -> Image.Image:
    """Draw a railing close to the camera, out of focus, with lamps as discs of light."""
    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    draw.polygon([(0, 560), (330, 640), (0, 640)], fill=(22, 18, 26, 255))
    draw.line([(0, 470), (300, 640)], fill=(20, 16, 24, 255), width=14)
    for x, y in ((40, 480), (150, 545), (250, 600)):
        draw.line([(x, y), (x, HEIGHT)], fill=(20, 16, 24, 255), width=16)
    layer = layer.filter(ImageFilter.GaussianBlur(7))
    image = Image.alpha_composite(image.convert("RGBA"), layer)
    lights = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(lights)
    for x, y, radius in ((40, 442, 25), (150, 511, 21), (250, 571, 18)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(255, 190, 110, 150))
    return Image.alpha_composite(image, lights.filter(ImageFilter.GaussianBlur(1.5))).convert("RGB")


def develop(image: Image.Image) -> Image.Image:
    """Add glow, vignette and grain, as a camera does."""
    pixels = np.asarray(image).astype(float)
    glow = np.asarray(image.filter(ImageFilter.GaussianBlur(14))).astype(float)
    pixels = 255 - (255 - pixels) * (255 - 0.22 * glow) / 255
    rows, columns = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    pixels *= (1.06 - 0.32 * (rows**2 + columns**2) / 2)[..., None]
    pixels += random.normal(0, 3.2, (HEIGHT, WIDTH, 1))
    return Image.fromarray(np.clip(pixels, 0, 255).astype("uint8"))


def render() -> Image.Image:
    scene = Image.fromarray(render_sky().astype("uint8"))
    draw_hills(ImageDraw.Draw(scene))
    scene = scene.filter(ImageFilter.GaussianBlur(1.1))
    image = Image.new("RGB", (WIDTH, HEIGHT))
    boats = Image.new("RGBA", (4 * WIDTH, 4 * HORIZON))  # larger, so that its lines are smooth
    for x, size in ((330, 17), (430, 24), (742, 46), (868, 20)):
        draw_boat(ImageDraw.Draw(boats), 4 * x, 4 * HORIZON, 4 * size)
    boats = boats.resize(scene.size, Image.Resampling.LANCZOS)
    scene.paste(boats, mask=boats)
    image.paste(scene)
    image.paste(render_water(scene), (0, HORIZON))
    return develop(draw_pier(image))


if __name__ == "__main__":
    render().save(Path(__file__).with_name("harbor.jpg"), quality=80, optimize=True)
