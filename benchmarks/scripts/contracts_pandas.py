"""The flights' contracts as one writes them in pandas: a boolean column per rule, reasons joined, files written."""

import json
import sys
import time
from pathlib import Path

import pandas as pd

FLIGHTS, WEATHER, FOLDER = (Path(p) for p in sys.argv[1:4])
RUNS = int(sys.argv[4])
MINUTE = pd.Timedelta(minutes=1)


def weather_rules(w: pd.DataFrame) -> dict[str, pd.Series]:
    rules = {f"{c}: missing": w[c].isna() for c in ("origin", "observed_at", "known_at")}
    limits = {
        "temp": (-40, 130),
        "dewp": (-60, 100),
        "humid": (0, 100),
        "wind_dir": (0, 360),
        "wind_speed": (0, 200),
        "wind_gust": (0, 250),
        "precip": (0, 20),
        "pressure": (850, 1100),
        "visib": (0, 100),
    }
    for name, (low, high) in limits.items():
        rules[f"{name}: below {low}"] = w[name] < low
        rules[f"{name}: above {high}"] = w[name] > high
    rules["origin: unknown"] = ~w["origin"].isin(["EWR", "JFK", "LGA"])
    rules["known at"] = (w["known_at"] - w["observed_at"]) != pd.Timedelta(hours=1)
    rules["dew point"] = w["dewp"] > w["temp"]
    rules["a duplicate"] = w.duplicated(["origin", "observed_at"])
    return rules


def flight_rules(f: pd.DataFrame, w: pd.DataFrame) -> dict[str, pd.Series]:
    needed = (
        "flight_id",
        "ask_time",
        "carrier",
        "flight",
        "origin",
        "dest",
        "distance",
        "sched_dep_at",
        "sched_dep_local",
    )
    rules = {f"{c}: missing": f[c].isna() for c in (*needed, "final_at")}
    rules["flight_id: shorter"] = f["flight_id"].str.len() < 19
    rules["flight_id: longer"] = f["flight_id"].str.len() > 22
    for name, pattern in {"carrier": "[0-9A-Z]{2}", "tailnum": "[0-9A-Z]{5,6}", "dest": "[A-Z]{3}"}.items():
        rules[f"{name}: does not match"] = ~f[name].str.fullmatch(pattern).fillna(True).astype(bool)
    limits = {
        "flight": (1, 9999),
        "distance": (10, 6000),
        "dep_delay": (-60, 1440),
        "arr_delay": (-120, 1440),
        "air_time": (10, 900),
    }
    for name, (low, high) in limits.items():
        rules[f"{name}: below {low}"] = f[name] < low
        rules[f"{name}: above {high}"] = f[name] > high
    rules["origin: unknown"] = ~f["origin"].isin(["EWR", "JFK", "LGA"])
    rules["late: unknown"] = ~f["late"].isin([0, 1]) & f["late"].notna()
    there = f["arr_at"].notna()
    rules["asked"] = (f["sched_dep_at"] - f["ask_time"]) != 120 * MINUTE
    rules["departs"] = f["dep_at"].notna() & ((f["dep_at"] - f["sched_dep_at"]) != f["dep_delay"] * MINUTE)
    ground = (f["arr_at"] - f["dep_at"]) / MINUTE - f["air_time"]
    rules["on the ground"] = there & ((ground < 5) | (ground > 235))
    rules["late means"] = there & ((f["late"] == 1) != (f["arr_delay"] >= 15))
    rules["has an outcome"] = (there != f["arr_delay"].notna()) | (there != f["late"].notna())
    rules["origin: not in weather"] = ~f["origin"].isin(w["origin"].unique())
    rules["a duplicate"] = f.duplicated("flight_id")
    return rules


def split(rows: pd.DataFrame, rules: dict[str, pd.Series], name: str) -> pd.DataFrame:
    broken = pd.DataFrame(rules)
    bad = broken.any(axis=1)
    if not bad.any():
        return rows
    quarantined = rows[bad].copy()
    quarantined["_reasons"] = [[r for r, hit in row.items() if hit] for _, row in broken[bad].iterrows()]
    quarantined.to_parquet(FOLDER / f"{name}.pandas.quarantined.parquet")
    good = rows[~bad]
    good.to_parquet(FOLDER / f"{name}.pandas.good.parquet")
    return good


def work() -> tuple[int, int]:
    weather = pd.read_parquet(WEATHER)
    good = split(weather, weather_rules(weather), "weather")
    flights = pd.read_parquet(FLIGHTS)
    return len(weather) - len(good), len(flights) - len(split(flights, flight_rules(flights, good), "flights"))


times = []
work()  # not counted
for _ in range(RUNS):
    started = time.perf_counter()
    bad = work()
    times.append(time.perf_counter() - started)
    assert bad == (1, 0), bad
print(json.dumps({"seconds": min(times), "pandas": pd.__version__}))
