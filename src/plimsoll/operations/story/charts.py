"""The story's plots: time runs to the right in all of them, and a release has one colour everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from plimsoll.evaluation import look
from plimsoll.kernel.records import FALLBACK
from plimsoll.operations.story.account import Account
from plimsoll.operations.story.quality import Monthly, differences, metric_of, monthly, reigns, trials
from plimsoll.operations.story.series import Row, iso, lanes, marks, spells, traffic

WIDE, SIDE = 850, 236
FALLBACK_GREY = "#c9d0d7"
TONES = ("#1f5a96", "#c07a1e", "#3d8361", "#8a4f7d", "#5b7d9e", "#a5673f", "#6f8f3a", "#b05560", "#4d6a6d", "#94803c")
GOOD, BAD, WARN, ODD = "#2c7a50", "#b3362f", "#a8690b", "#6d4a9e"
SIGNS: Mapping[str, tuple[str, str]] = {
    "gate passed": ("diamond", GOOD),
    "gate refused": ("diamond", BAD),
    "gate invalid": ("diamond", ODD),
    "gate open": ("diamond", WARN),
    "held": ("square", WARN),
    "withdrawn": ("triangle-down", WARN),
    "rolled back": ("triangle-down", BAD),
    "lapsed": ("triangle-down", BAD),
    "not trusted": ("square", BAD),
    "safe answer": ("triangle-down", ODD),
    "recovered": ("triangle-up", GOOD),
    "retrain asked": ("circle", WARN),
}


MOST_TRIALS = 9
DEPTHS = {"shadow": 0.3, "canary": 0.6, "live": 1.0, "held": 0.45}


class Plot(NamedTuple):
    """A drawn chart with its title and what to see in it."""

    title: str
    svg: str
    caption: str


def timeline(a: Account) -> Plot:
    """Who answered, and below it each release's way with its decisions."""
    import altair as alt

    chart = alt.vconcat(_answered(a), _ways(a), spacing=10).resolve_scale(color="independent", shape="independent")
    caption = (
        "Above: whose answers users got, by day. Below: each release's way from shadow (pale) through canary to live, "
        "and what was decided about it. Shaded: noted days, and open incidents."
    )
    return Plot("Who answered, and what was decided", look.svg(chart, "t0"), caption)


def _answered(a: Account) -> Any:
    import altair as alt

    rows = traffic(a)
    names = [a.name(r) for r in [FALLBACK, *a.labels] if a.served.get(r)]
    area = (
        alt.Chart(look.data(rows))
        .mark_area(interpolate="step", line=False, opacity=0.9)
        .encode(
            x=_time(a, labels=False),
            y=alt.Y("share:Q", title="answers", stack="zero", axis=alt.Axis(format=".0%", tickCount=3),
                    scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("who:N", scale=alt.Scale(domain=names, range=[colour_of(a)[n] for n in names]), title=None,
                            legend=alt.Legend(symbolType="square")),
            order="order:Q",
        )
    )  # fmt: skip
    return area.properties(width=WIDE, height=120)


def _ways(a: Account) -> Any:
    import altair as alt

    order = list(a.labels.values())
    y = alt.Y("who:N", sort=order, title=None, scale=alt.Scale(domain=order), axis=alt.Axis(grid=True, labelLimit=150))
    bars = (
        alt.Chart(look.data([{**bar, "depth": DEPTHS[bar["kind"]]} for bar in lanes(a)]))
        .mark_bar(height=11)
        .encode(
            x=_time(a, "from"),
            x2="to:T",
            y=y,
            opacity=alt.Opacity("depth:Q", scale=None, legend=None),
            color=alt.Color("who:N", scale=_palette(a), legend=None),
        )
    )
    seen = marks(a)
    present = [k for k in SIGNS if any(m["what"] == k for m in seen)]
    signs = (
        alt.Chart(look.data(seen))
        .mark_point(filled=True, size=75, opacity=1, stroke="white", strokeWidth=1)
        .encode(
            x="at:T",
            y=y,
            shape=alt.Shape(
                "what:N",
                scale=alt.Scale(domain=present, range=[SIGNS[k][0] for k in present]),
                title=None,
                legend=None,
            ),
            fill=alt.Fill(
                "what:N",
                scale=alt.Scale(domain=present, range=[SIGNS[k][1] for k in present]),
                title=None,
                legend=None,
            ),
        )
    )
    shades = spells(a)
    layers = [_shaded(shades), bars, signs] if shades else [bars, signs]
    return alt.layer(*layers).resolve_scale(color="independent").properties(width=WIDE, height=alt.Step(23))


def _shaded(rows: Sequence[Row]) -> Any:
    import altair as alt

    kinds = alt.Scale(domain=["noted", "incident"], range=["#9fb4c7", "#e2a19b"])
    return (
        alt.Chart(look.data(rows))
        .mark_rect(opacity=0.35)
        .encode(x="from:T", x2="to:T", color=alt.Color("kind:N", scale=kinds, legend=None))
    )


def against(a: Account) -> list[Plot]:
    """The live release against the fallback, and against its predecessor: day by day, and the trailing mean."""
    rows, found = differences(a), []
    metric = metric_of(a)
    limits = {r.than: r.limit for r in (a.deployment.lease.keep if a.deployment.lease else ()) if r.metric == metric}
    for i, (to, word) in enumerate((("the fallback", "fallback"), ("its predecessor", "predecessor"))):
        mine = [r for r in rows if r["to"] == to]
        if len(mine) > 3:
            title = f"The live release against {to}"
            caption = (
                f"{metric.replace('_', ' ')} lost, paired on the same questions; below zero the live release is better. "
                f"Each dot is one {a.unit}; the line is the mean of the latest 28 {a.unit}s, the band its 95 % interval, "
                "the dashed line what the lease must keep. For the eye: the lease itself is judged by change detection."
            )
            found.append(
                Plot(title, look.svg(_difference(a, mine, limits.get(word)), f"d{i}"), caption if not i else "")
            )
    return found


def _difference(a: Account, rows: Sequence[Row], limit: float | None) -> Any:
    import altair as alt

    values = sorted(r["value"] for r in rows)
    low, high = values[len(values) // 100], values[-1 - len(values) // 100]
    ends = [min(low, -0.03) * 1.1, max(high, limit or 0.0, 0.03) * 1.1]
    y = alt.Y("value:Q", title="lost, nats" if metric_of(a) == "log_loss" else "lost", scale=alt.Scale(domain=ends))
    colour = alt.Color("who:N", scale=_palette(a), legend=None)
    base = alt.Chart(look.data(rows)).encode(x=_time(a), color=colour)
    dots = base.mark_point(filled=True, size=13, opacity=0.45, clip=True).encode(y=y)
    trailing = base.transform_filter("isValid(datum.mean)")
    band = trailing.mark_area(opacity=0.18, clip=True).encode(
        y="low:Q", y2="high:Q", detail="reign:N", color=alt.Color("who:N", scale=_palette(a), legend=None)
    )
    line = trailing.mark_line(strokeWidth=2, clip=True).encode(y="mean:Q", detail="reign:N")
    layers: list[Any] = [look.level(0.0), *_takeovers(a)]
    shades = spells(a)
    if shades:
        layers.insert(0, _shaded(shades))
    if limit is not None:
        limit_line = alt.Chart(look.data([{"level": limit}])).mark_rule(color=BAD, strokeDash=[5, 3], opacity=0.8)
        layers.append(limit_line.encode(y="level:Q"))
    return alt.layer(*layers, band, dots, line).resolve_scale(color="independent").properties(width=WIDE, height=170)


def _takeovers(a: Account) -> list[Any]:
    """An upright where each release took over, with its name; neighbours' names stand at different heights."""
    import altair as alt

    rows = _heights(a)
    colour = alt.Color("who:N", scale=_palette(a), legend=None)
    base = alt.Chart(look.data(rows)).encode(x="at:T", color=colour)
    names = base.mark_text(align="left", baseline="bottom", fontSize=11, fontWeight="bold")
    return [
        base.mark_rule(opacity=0.8),
        *(
            names.transform_filter(f"datum.lane == {i}").encode(y=alt.value(-3 - 12 * i), text="who:N")
            for i in sorted({r["lane"] for r in rows})
        ),
    ]


def _heights(a: Account) -> list[Row]:
    """The takeovers; ``lane`` counts up where one follows too soon for its name to stand beside the last."""
    near, rows = (a.until - a.since) / 7, list[Row]()
    lane, last = 0, None
    for r in reigns(a):
        lane = (lane + 1) % 3 if last is not None and r.since - last < near else 0
        rows.append({"at": iso(r.since), "who": a.name(r.release), "lane": lane})
        last = r.since
    return rows


def on_trial(a: Account) -> Plot | None:
    """Each trial: the candidate against its champion, as the sequence closed in."""
    rows = trials(a)
    if not rows:
        return None
    who = list(dict.fromkeys(r["who"] for r in rows))
    shown = who[:MOST_TRIALS]
    panels = [_trial(a, [r for r in rows if r["who"] == w]) for w in shown]
    import altair as alt

    chart = alt.concat(*panels, columns=3, spacing=26)
    caption = (
        "The candidate's loss against its champion on all blocks so far, with the confidence sequence that may be looked "
        f"at every {a.unit}. It passes when the band lies below the dashed limit, and is taken back when it lies above."
        + (f" The first {MOST_TRIALS} of {len(who)}." if len(who) > MOST_TRIALS else "")
    )
    return Plot("On trial", look.svg(chart, "c0"), caption)


def _trial(a: Account, rows: Sequence[Row]) -> Any:
    import altair as alt

    limit = rows[0]["limit"]
    reach = max(0.06, 2.5 * limit)
    scale = alt.Scale(domain=[-reach, reach], clamp=True)
    values = [{**r, "low": -9.0 if r["low"] is None else r["low"], "high": 9.0 if r["high"] is None else r["high"],
               "bounded": r["low"] is not None or r["high"] is not None} for r in rows]  # fmt: skip
    tone = colour_of(a)[rows[0]["who"]]
    base = alt.Chart(look.data(values)).encode(
        x=alt.X("blocks:Q", title=f"{a.unit}s of evidence", axis=alt.Axis(tickMinStep=1, tickCount=6, grid=False))
    )
    band = base.transform_filter("datum.bounded").mark_area(color=tone, opacity=0.2, clip=True)
    band = band.encode(y=alt.Y("low:Q", title=None, scale=scale), y2="high:Q")
    line = base.mark_line(color=tone, strokeWidth=2, clip=True).encode(y="estimate:Q")
    rule = alt.Chart(look.data([{"level": limit}])).mark_rule(color=BAD, strokeDash=[5, 3]).encode(y="level:Q")
    title = alt.TitleParams(
        f"{rows[0]['who']} against {rows[0]['to']}", fontSize=12, fontWeight="normal", anchor="start", color=look.MUTED
    )
    return alt.layer(look.level(0.0), rule, band, line).properties(width=SIDE, height=150, title=title)


def months(a: Account) -> list[Plot]:
    """Small charts by calendar month."""
    return [
        Plot(m.metric.replace("_", " "), look.svg(_month(m), f"m{i}"), m.unit)
        for i, m in enumerate(monthly(a))
    ]  # fmt: skip


def _month(m: Monthly) -> Any:
    import altair as alt

    who = list(dict.fromkeys(r["who"] for r in m.rows))
    tones = {"live": look.BLUE, "fallback": look.GREY, "what happened": look.OCHRE}
    legend = None if len(who) < 2 else alt.Legend()
    x = alt.X("month:T", title=None, scale=alt.Scale(type="utc"), axis=alt.Axis(format="%b", tickCount="month", grid=False,
              labelOverlap=True))  # fmt: skip
    base = alt.Chart(look.data(m.rows)).encode(
        x=x,
        y=alt.Y("value:Q", title=None, scale=alt.Scale(zero=m.metric != "auc", nice=True), axis=alt.Axis(tickCount=5)),
        color=alt.Color("who:N", scale=alt.Scale(domain=who, range=[tones[w] for w in who]), title=None, legend=legend),
    )
    return (base.mark_line(strokeWidth=2) + base.mark_point(filled=True, size=32, opacity=1)).properties(
        width=SIDE, height=150
    )


def colour_of(a: Account) -> dict[str, str]:
    """Each name's colour: those who served first, so that they differ most."""
    served = sorted(a.labels, key=lambda r: -bool(a.served.get(r)))
    return {"the fallback": FALLBACK_GREY, **{a.name(r): TONES[i % len(TONES)] for i, r in enumerate(served)}}


def _palette(a: Account) -> Any:
    import altair as alt

    colours = colour_of(a)
    return alt.Scale(domain=list(colours), range=list(colours.values()))


def _time(a: Account, field: str = "at", *, labels: bool = True) -> Any:
    import altair as alt

    scale = alt.Scale(type="utc", domain=[iso(a.since), iso(a.until)], nice=False)
    axis = alt.Axis(format="%b", tickCount="month", grid=True, labels=labels, ticks=labels, domain=labels, labelAlign="left",
                    labelOffset=3)  # fmt: skip
    return alt.X(f"{field}:T", title=None, scale=scale, axis=axis)
