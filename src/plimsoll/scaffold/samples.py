"""Three small data sets, made up and seeded: eight weeks of questions whose labels come a little later."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import NamedTuple

from plimsoll.scaffold.plan import Column, Plan, TaskKind

SEED = 1876
DAYS = 56
QUESTIONS_A_DAY = 80
START = datetime(2025, 1, 6)

Row = tuple[str, ...]
Draw = Callable[[random.Random, int, datetime], Row]


class _Sample(NamedTuple):
    plan: Callable[[str, str], Plan]
    draw: Draw


def sample_plan(name: str, task: TaskKind) -> Plan:
    """The plan of a capability on made-up rows; equal arguments give equal rows."""
    sample = _SAMPLES[task]
    plan = sample.plan(name, "")
    return sample.plan(name, _csv(plan.columns, sample.draw))


def _csv(columns: tuple[Column, ...], draw: Draw) -> str:
    head = ",".join(c.name for c in columns)
    return "\n".join([head, *(",".join(row) for row in _rows(draw)), ""])


def _rows(draw: Draw) -> Iterator[Row]:
    chance = random.Random(SEED)
    number = 0
    for day in range(DAYS):
        minutes = sorted(chance.randrange(7 * 60, 22 * 60) for _ in range(QUESTIONS_A_DAY))
        for minute in minutes:
            number += 1
            yield draw(chance, number, START + timedelta(days=day, minutes=minute, seconds=chance.randrange(60)))


def _returned(chance: random.Random, number: int, at: datetime) -> Row:
    channel = chance.choice(("app", "shop", "web"))
    price = round(chance.lognormvariate(3.6, 0.7), 2)
    items = 1 + min(8, int(chance.expovariate(0.6)))
    pull = -1.9 + 1.3 * math.log(price / 36) + 0.35 * (items - 2) + {"app": -0.5, "shop": 0.0, "web": 0.6}[channel]
    label = int(chance.random() < 1 / (1 + math.exp(-pull)))
    known = at + timedelta(hours=chance.uniform(6, 30))
    return (f"o{number:05d}", f"{at}", channel, f"{price:.2f}", str(items), str(label), f"{known:%Y-%m-%d %H:%M:%S}")


def _routed(chance: random.Random, number: int, at: datetime) -> Row:
    amount = round(chance.lognormvariate(3.0, 1.1), 2)
    words = 5 + int(chance.expovariate(1 / 40))
    channel = chance.choice(("chat", "mail", "phone"))
    pulls = {
        "billing": 1.1 * math.log(amount / 20),
        "sales": 0.4 - 0.03 * (words - 45) + (0.8 if channel == "phone" else 0.0),
        "technical": 0.03 * (words - 45) + (0.6 if channel == "chat" else 0.0),
    }
    label = chance.choices(list(pulls), weights=[math.exp(p) for p in pulls.values()])[0]
    known = at + timedelta(hours=chance.uniform(1, 20))
    return (f"t{number:05d}", f"{at}", channel, str(words), f"{amount:.2f}", label, f"{known:%Y-%m-%d %H:%M:%S}")


def _delivered(chance: random.Random, number: int, at: datetime) -> Row:
    district = chance.choice(("center", "north", "south"))
    distance = round(chance.uniform(0.5, 18.0), 2)
    parcels = chance.randint(1, 6)
    rush = 8.0 if at.hour in (8, 17, 18) else 0.0
    minutes = 6 + 2.4 * distance + 1.5 * parcels + rush + (5.0 if district == "center" else 0.0) + chance.gauss(0, 4.0)
    minutes = round(max(3.0, minutes), 1)
    known = at + timedelta(minutes=minutes)
    return (
        f"d{number:05d}",
        f"{at}",
        district,
        f"{distance:.2f}",
        str(parcels),
        f"{minutes:.1f}",
        f"{known:%Y-%m-%d %H:%M:%S}",
    )


def _binary(name: str, csv: str) -> Plan:
    return Plan(
        name=name,
        task="binary",
        question="Will this order be returned? Asked when it is placed.",
        unit="order_id",
        asked_at="ordered_at",
        label="returned",
        columns=(
            *_asked("order_id", "ordered_at"),
            Column(
                name="channel",
                type="string",
                input="category",
                required=True,
                enum=("app", "shop", "web"),
                known_at="asked_at",
            ),
            Column(
                name="price_eur",
                type="number",
                input="number",
                required=True,
                minimum=0,
                maximum=5000,
                known_at="asked_at",
            ),
            Column(
                name="items", type="integer", input="number", required=True, minimum=1, maximum=50, known_at="asked_at"
            ),
            Column(name="returned", type="integer", minimum=0, maximum=1, known_at="{column: closed_at}"),
            Column(name="closed_at", type="timestamp", known_at="{column: closed_at}"),
        ),
        rows=f"data/{name}.csv",
        base=(0.25,),
        metric="log_loss",
        margin=0.01,
        levels=('at_least("auc", 0.65)', 'at_most("calibration_error", 0.10)'),
        csv=csv,
    )


def _multiclass(name: str, csv: str) -> Plan:
    return Plan(
        name=name,
        task="multiclass",
        question="Which team should this ticket go to? Asked when it comes in.",
        unit="ticket_id",
        asked_at="opened_at",
        label="team",
        classes=("billing", "sales", "technical"),
        columns=(
            *_asked("ticket_id", "opened_at"),
            Column(
                name="channel",
                type="string",
                input="category",
                required=True,
                enum=("chat", "mail", "phone"),
                known_at="asked_at",
            ),
            Column(
                name="words",
                type="integer",
                input="number",
                required=True,
                minimum=0,
                maximum=10_000,
                known_at="asked_at",
            ),
            Column(
                name="amount_eur",
                type="number",
                input="number",
                required=True,
                minimum=0,
                maximum=100_000,
                known_at="asked_at",
            ),
            Column(name="team", type="string", enum=("billing", "sales", "technical"), known_at="{column: closed_at}"),
            Column(name="closed_at", type="timestamp", known_at="{column: closed_at}"),
        ),
        rows=f"data/{name}.csv",
        base=(0.33, 0.32, 0.35),
        metric="log_loss",
        margin=0.01,
        levels=('at_least("accuracy", 0.40)',),
        csv=csv,
    )


def _regression(name: str, csv: str) -> Plan:
    return Plan(
        name=name,
        task="regression",
        question="How many minutes will this delivery take? Asked when it sets out.",
        unit="delivery_id",
        asked_at="set_out_at",
        label="minutes",
        columns=(
            *_asked("delivery_id", "set_out_at"),
            Column(
                name="district",
                type="string",
                input="category",
                required=True,
                enum=("center", "north", "south"),
                known_at="asked_at",
            ),
            Column(
                name="distance_km",
                type="number",
                input="number",
                required=True,
                minimum=0,
                maximum=100,
                known_at="asked_at",
            ),
            Column(
                name="parcels",
                type="integer",
                input="number",
                required=True,
                minimum=1,
                maximum=100,
                known_at="asked_at",
            ),
            Column(name="minutes", type="number", minimum=0, maximum=600, known_at="{column: arrived_at}"),
            Column(name="arrived_at", type="timestamp", known_at="{column: arrived_at}"),
        ),
        rows=f"data/{name}.csv",
        base=(35.0,),
        metric="mae",
        margin=0.5,
        levels=('at_most("mae", 6.0)',),
        csv=csv,
    )


def _asked(unit: str, asked_at: str) -> tuple[Column, Column]:
    """Who is asked about, and when. The hour of the question is a feature."""
    return (
        Column(name=unit, type="string", required=True, unique=True, known_at="asked_at"),
        Column(name=asked_at, type="timestamp", input="hour", required=True, known_at="asked_at"),
    )


_SAMPLES: dict[TaskKind, _Sample] = {
    "binary": _Sample(_binary, _returned),
    "multiclass": _Sample(_multiclass, _routed),
    "regression": _Sample(_regression, _delivered),
}
