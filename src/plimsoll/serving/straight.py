"""The straight way of a turn: one release answers all of it, and each of its answers is the plain one.

Nearly every turn is of this kind. The general way (``pipeline``) asks of each row who answers it, whether the answer
failed, whether something stands in for it; that costs more than the model does. Here the same is asked once of the
whole turn: of the deployment, when it changes (``sole``), and of the answers, as they come (``is_plain``). What is not
plain goes on the general way with what the release has said; nobody is asked twice. Both ways give the same events,
which a property test holds them to.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from plimsoll.features import Ages
from plimsoll.kernel.columns import NOTHING, Answers, Events, column, pack, pack_rows, pack_same, pack_us
from plimsoll.kernel.records import FALLBACK, Event
from plimsoll.kernel.rollout import Deployment
from plimsoll.serving.answering import Said
from plimsoll.serving.batch import Turn
from plimsoll.serving.replica import Loaded, Standing
from plimsoll.serving.seams import Judgement


def sole(deployment: Deployment, standing: Standing) -> Loaded | None:
    """The release that answers every unit. None where a rollout divides them, where the release is not loaded, where it
    is the fallback, and where answers are remembered because a rule may give them again."""
    live, loaded = deployment.live, standing.loaded
    if deployment.rollout is not None or live == FALLBACK or live not in loaded:
        return None
    if any("cached" in release.rule.steps for release in loaded.values()):
        return None
    return loaded[live]


def is_plain(said: Said, judged: Judgement) -> bool:
    """Whether each answer has a score, was made for its question, and is given as it is."""
    actions: Sequence[str] = judged.actions
    return said.plain and not any(judged.reasons) and actions.count("answer") == len(actions)


def plain_columns(
    turn: Turn, said: Said, judged: Judgement, capability: str, stages_us: tuple[int, ...], cost_usd: float
) -> Events:
    """The turn's events as they are recorded: what ``plain_events`` gives, in columns."""
    batch, answers = turn.batch, said.answers
    return Events(
        ids=list(batch.ids),
        capability=capability,
        at_us=pack_us(column(batch.asked_at_us, None)),
        blocks=column(turn.blocks, None),
        units=turn.units,
        inputs=batch.inputs,
        served=Answers(
            releases=[answers[0].release],
            roles=[answers[0].role],
            scores=pack([answer.score for answer in answers]),
            latencies_ms=pack_same([answer.latency_ms for answer in answers]),
            features=pack_rows([answer.features for answer in answers]),
        ),
        tenants=column(turn.tenants, ""),
        principals=column(turn.principals, ""),
        confidences=pack(judged.confidences),
        stages_us=[stages_us] if stages_us else [],
        feature_ages_s=said.ages or NOTHING,
        costs_usd=[cost_usd] if cost_usd else [],
        trace_ids=column(turn.trace_ids, ""),
    )


def plain_events(
    turn: Turn,
    said: Said,
    judged: Judgement,
    capability: str,
    stages_us: tuple[int, ...],
    cost_usd: float,
    rows: int,
) -> list[Event]:
    """The turn's events, in its order: the first ``rows`` of them."""
    batch = turn.batch
    ages: Sequence[Ages] = said.ages or ({},) * len(turn)
    return [
        Event(
            id=id,
            capability=capability,
            at=at,
            block=block,
            unit=unit,
            inputs=inputs,
            served=answer,
            tenant=tenant,
            principal=principal,
            confidence=confidence,
            stages_us=stages_us,
            feature_ages_s=aged,
            cost_usd=cost_usd,
            trace_id=trace_id,
        )
        for id, at, block, unit, inputs, answer, tenant, principal, confidence, aged, trace_id in islice(
            zip(
                batch.ids,
                turn.asked_at,
                turn.blocks,
                turn.units,
                batch.inputs,
                said.answers,
                turn.tenants,
                turn.principals,
                judged.confidences,
                ages,
                turn.trace_ids,
                strict=True,
            ),
            rows,
        )
    ]
