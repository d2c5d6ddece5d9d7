"""Make bakery.csv: a made-up bakery, and whether each batch was sold out before closing.

No such bakery exists; every number is drawn here, by a fixed seed. Run it to write the file anew:
``python examples/data/make.py``.
"""

from __future__ import annotations

import csv
import io
import math
import random
from pathlib import Path

ROWS = 600
SEED = 7
HERE = Path(__file__).resolve().parent

# What a quiet weekday sells, and how warmth changes it (share of sales a degree from 15 °C).
PASTRIES = {
    "croissant": (44, 0.000),
    "baguette": (60, -0.004),
    "rye loaf": (22, -0.010),
    "cinnamon roll": (30, -0.018),
    "lemon tart": (16, 0.022),
    "iced bun": (20, 0.030),
}
DAYS = {"Mon": 0.75, "Tue": 0.85, "Wed": 0.95, "Thu": 1.0, "Fri": 1.15, "Sat": 1.55, "Sun": 1.3}
WEATHER = {"sunny": 1.1, "cloudy": 1.0, "rain": 0.72, "fog": 0.9}
COLUMNS = (
    "pastry", "day", "weather", "temperature_c", "price_eur", "baked", "minutes_since_oven",
    "in_window", "market_day", "sold_out",
)  # fmt: skip


def batch(rng: random.Random) -> list[object]:
    """Draw one batch: what was baked, on what kind of day, and whether any of it was left."""
    pastry, day = rng.choice(list(PASTRIES)), rng.choice(list(DAYS))
    weather = rng.choices(list(WEATHER), [4, 4, 3, 1])[0]
    usual, warmth = PASTRIES[pastry]
    temperature = round(rng.gauss(15, 8) + (3 if weather == "sunny" else -1), 1)
    price = round(rng.uniform(1.2, 4.8), 1)
    minutes = rng.randrange(5, 240, 5)
    window = rng.random() < 0.4
    market = day in ("Wed", "Sat") and rng.random() < 0.7

    wanted = usual * DAYS[day] * WEATHER[weather] * (1 + warmth * (temperature - 15))
    wanted *= math.exp(-0.35 * (price - 2.8)) * (1.25 if window else 1.0)
    wanted *= 1.4 if market else 1.0
    wanted *= 1.2 if minutes < 45 else 0.9 if minutes > 150 else 1.0  # still warm, or no longer
    baked = max(4, round(usual * rng.uniform(0.5, 1.9)))
    sold_out = max(wanted, 0.5) * math.exp(rng.gauss(0, 0.08)) >= baked
    return [
        pastry, day, weather, temperature, price, baked, minutes,
        "yes" if window else "no", "yes" if market else "no", "yes" if sold_out else "no",
    ]  # fmt: skip


def table() -> str:
    """Give the whole CSV; a few thermometers, prices and weather notes were forgotten."""
    rng = random.Random(SEED)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for _ in range(ROWS):
        row = batch(rng)
        for column, share in (("temperature_c", 0.05), ("weather", 0.03), ("price_eur", 0.02)):
            if rng.random() < share:
                row[COLUMNS.index(column)] = ""
        writer.writerow(row)
    return out.getvalue()


if __name__ == "__main__":
    (HERE / "bakery.csv").write_text(table(), encoding="utf-8", newline="\n")
