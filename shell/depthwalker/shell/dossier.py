"""The report of one execution: its story as a page, and as plain values. All numbers are the story's own."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final

from depthwalker.core.parent import Action
from depthwalker.core.story import Decision, Mark, Moment, Stand, Story
from depthwalker.core.units import (
    CENT,
    CENT_MONEY,
    MILLION,
    SECOND,
    Micros,
    Price,
    format_count,
    format_money,
    format_price,
)
from depthwalker.shell import drawing
from depthwalker.shell.figures import seconds, short_count, short_price, signed_percent
from depthwalker.shell.markup import Child, Markup, tag
from depthwalker.shell.page import Card, cards, drawn, figure, page, section, swatch, table, text
from depthwalker.shell.rows import instant

LISTED: Final = 300  # rows of a table; `--json` holds all

Plain = dict[str, object]


def page_of(story: Story, execution_id: int) -> str:
    """Return the report as a document."""
    return page(title(story, execution_id), _lead(story), _sections(story))


def title(story: Story, execution_id: int) -> str:
    """Return what the execution is called."""
    ticket = story.parent.ticket
    order = f"{ticket.action.value} {short_count(ticket.count)} {ticket.outcome.value} of {story.parent.ticker}"
    return f"Execution {execution_id}: {order} at {short_price(ticket.target)}"


def plain(story: Story, execution_id: int) -> Plain:
    """Return the report's numbers for JSON: exact ones as texts, ratios as fractions, instants in ISO 8601."""
    row, metrics, parts = story.projection.execution, story.projection.metrics, story.parts
    ticket = story.parent.ticket
    return {
        "execution_id": execution_id,
        "ticker": story.parent.ticker,
        "outcome": ticket.outcome.value,
        "action": ticket.action.value,
        "algorithm": row.algorithm.value,
        "algorithm_reason": row.reason,
        "policy": row.policy.value,
        "status": row.status.value,
        "ending": row.ending,
        "started": instant(row.started),
        "completed": None if row.completed is None else instant(row.completed),
        "target_price": format_price(row.target),
        "cap_price": format_price(row.cap),
        "target_quantity": format_count(row.count),
        "filled_quantity": format_count(row.filled),
        "average_fill_price": None if row.bought.average is None else format_price(row.bought.average),
        "filled_value": format_money(row.bought.value),
        "fees": format_money(row.bought.fees),
        "slippage": None if metrics is None or metrics.slippage is None else metrics.slippage / MILLION,
        "walks": sum(len(split.walks) for split in story.projection.splits),
        "calls": None if metrics is None else metrics.calls,
        "cost": None
        if parts is None
        else {
            **{name: drawing.exact(size) for name, size in drawing.named(parts)},
            "in_all": drawing.exact(parts.twice_total()),
        },
        "moments": [_moment(one) for one in story.moments],
        "orders": [_stand(one) for one in story.stands],
        "fills": [_mark(one) for one in story.marks],
        "decisions": [_decision(one) for one in story.decisions],
    }


def _moment(one: Moment) -> Plain:
    return {
        "at": instant(one.at),
        "beside": [[format_price(price), format_count(count)] for price, count in one.beside],
        "facing": [[format_price(price), format_count(count)] for price, count in one.facing],
        "mid": None if one.twice_mid is None else _mid(one.twice_mid),
        "cap": format_price(one.cap),
        "ahead": {str(split): format_count(count) for split, count in one.ahead},
        "momentum": one.momentum / MILLION,
        "pressure": None if one.pressure is None else one.pressure / MILLION,
        "imbalance": one.imbalance / MILLION,
    }


def _stand(one: Stand) -> Plain:
    return {
        "split": one.key.split,
        "price": format_price(one.price),
        "quantity": format_count(one.count),
        "style": one.style.value,
        "ahead": format_count(one.ahead),
        "reason": one.reason,
        "from": instant(one.start),
        "to": None if one.end is None else instant(one.end),
    }


def _mark(one: Mark) -> Plain:
    return {
        "at": instant(one.at),
        "split": one.key.split,
        "price": format_price(one.price),
        "quantity": format_count(one.count),
        "fee": format_money(one.fee),
        "taker": one.taker,
        "mid": None if one.twice_mid is None else _mid(one.twice_mid),
    }


def _decision(one: Decision) -> Plain:
    return {
        "at": instant(one.at),
        "decision": one.deed.value,
        "split": one.split or None,
        "before": None if one.before is None else format_price(one.before),
        "price": None if one.price is None else format_price(one.price),
        "quantity": None if one.count is None else format_count(one.count),
        "momentum": None if one.momentum is None else one.momentum / MILLION,
        "reason": one.reason,
    }


def _mid(twice: Price) -> str:
    """Return a doubled mid in dollars: a half of the smallest price takes five decimals."""
    return f"{twice / 20_000:.5f}"


# The page


def _lead(story: Story) -> Iterator[Child]:
    row, parent = story.projection.execution, story.parent
    began = datetime.fromtimestamp(parent.started / SECOND, UTC)
    yield tag(
        "p",
        f"{row.algorithm.value}, policy {row.policy.value}; begun {began:%Y-%m-%d %H:%M:%S} UTC, "
        f"{_span(story)}. {row.reason}".strip(),
        class_="soft",
    )
    yield cards(_cards(story))


def _cards(story: Story) -> Iterator[Card]:
    row, metrics = story.projection.execution, story.projection.metrics
    yield Card("Status", row.status.value, row.ending)
    yield Card(
        "Filled",
        f"{row.fill_rate // 100 / 100:.2f} %",
        f"{short_count(row.filled)} of {short_count(row.count)} contracts",
    )
    average = "none" if row.bought.average is None else f"{format_price(row.bought.average)} $"
    yield Card("Average price", average, f"target {short_price(row.target)}, cap {short_price(row.cap)}")
    if metrics is not None:
        slippage = "none" if metrics.slippage is None else signed_percent(metrics.slippage)
        yield Card("Slippage", slippage, "against the target; plus is worse")
        cost = metrics.shortfall
        if cost is not None:
            yield Card(
                "Cost",
                f"{cost.per_contract / CENT_MONEY:+.3f} ¢",
                f"a contract, against the mid at arrival; {drawing.money(cost.total)} $ in all",
            )
        first = "none" if metrics.first_fill is None else f"{seconds(metrics.first_fill)} s"
        last = "" if metrics.last_fill is None else f"the last after {seconds(metrics.last_fill)} s"
        yield Card("First fill", first, last)
    yield Card("Fees", f"{drawing.money(row.bought.fees)} $", "as the exchange charged them")
    walks = sum(len(split.walks) for split in story.projection.splits)
    calls = "" if metrics is None else f"{metrics.calls} exchange calls"
    yield Card("Walks", str(walks), calls)


def _sections(story: Story) -> Iterator[Child]:
    beside, facing = _names(story)
    yield section(
        "Prices, orders and fills",
        drawn(
            lambda width: drawing.ladder(story, width),
            f"The book at each journalled view without our own orders ({beside} blue, {facing} amber, the darker the more "
            "contracts), our orders as thick lines, and every fill.",
            _ladder_key(beside, facing),
        ),
    )
    yield section(
        "Filled against an even pace",
        drawn(
            lambda width: drawing.progress(story, width),
            "Contracts filled by the exchange's clock, beside an even pace from the start to winding down.",
            (
                ("filled", swatch(_line("line filled"))),
                ("even pace", swatch(_line("line pace"))),
                ("winding down", swatch(_line("line wound"))),
            ),
        ),
    )
    if story.parts is not None:
        yield section(
            "What it cost",
            drawn(
                lambda width: drawing.waterfall(story, width),
                "Cents a contract of the parent, against the mid at arrival; to the right is worse.",
            ),
            _cost_table(story),
        )
    else:
        yield section("What it cost", tag("p", _uncosted(story), class_="soft"))
    yield section(
        "Queue ahead",
        drawn(
            lambda width: drawing.queue(story, width),
            "Contracts estimated to stand before each split's resting order. Pessimistic: cancels of others count only as "
            "far as the level shrinks below the estimate.",
            tuple(
                (f"split {number}", swatch(_line(f"line split s{(number - 1) % drawing.COLOURS + 1}")))
                for number in drawing.splits(story)
            ),
        ),
    )
    yield section(
        "Signals and decisions",
        drawn(
            lambda width: drawing.signals(story, width),
            "Signals at each journalled view, and a mark below at each decision. Pressure above zero moves away from us.",
            (
                ("momentum", swatch(_line("line momentum"))),
                ("pressure", swatch(_line("line pressure"))),
                ("imbalance", swatch(_line("line imbalance"))),
                ("walk", swatch(_deed("walked"))),
                ("take", swatch(_deed("taken"))),
                ("place", swatch(_deed("placed"))),
                ("refused", swatch(_deed("refused"))),
                ("other", swatch(_deed("held"))),
            ),
        ),
        _decision_table(story),
    )
    yield section("Orders", _order_table(story))
    yield section("Fills", _fill_table(story))


def _names(story: Story) -> tuple[str, str]:
    return ("bids", "offers") if story.parent.ticket.action is Action.BUY else ("offers", "bids")


def _ladder_key(beside: str, facing: str) -> tuple[tuple[str, Markup], ...]:
    return (
        ("our orders, a colour a split", swatch(_line("stand s1"))),
        ("walk", swatch(tag("path", class_="walk s1", d="M13 11V2m-3 4l3-4l3 4"))),
        ("fill, resting", swatch(tag("circle", class_="fill rested", cx=13, cy=6, r=4))),
        ("fill, taking", swatch(tag("circle", class_="fill taken", cx=13, cy=6, r=4))),
        (beside, swatch(tag("path", class_="depth ours d5", stroke_width=8, d="M0 6H26"))),
        (facing, swatch(tag("path", class_="depth theirs d5", stroke_width=8, d="M0 6H26"))),
        ("mid", swatch(_line("line mid-price"))),
        ("cap", swatch(_line("line cap"))),
        ("target", swatch(_line("line target"))),
        ("winding down", swatch(_line("line wound"))),
    )


def _line(class_: str) -> Markup:
    return tag("line", class_=class_, x1=1, x2=25, y1=6, y2=6)


def _deed(class_: str) -> Markup:
    return tag("path", class_=f"deed {class_}", d="M13 10l-4 -8h8z")


def _cost_table(story: Story) -> Markup:
    parts = story.parts
    assert parts is not None
    count = drawing.parent_count(story)
    meanings = {
        "spread": "fills against the mid of their moment",
        "fees": "what the exchange charged",
        "drift": "the mid at each fill against the mid at arrival",
        "unfilled": "the rest at the price to take it at the end, fees in, against the mid at arrival",
        "in all": "the implementation shortfall",
    }
    sizes = (*drawing.named(parts), ("in all", parts.twice_total()))
    return table(
        "The cost and its parts; plus is worse",
        (text("part"), figure("¢ a contract"), figure("$ in all"), text("what it is")),
        (
            (
                text(name),
                figure(drawing.cents_each(size, count), "bad" if size > 0 else "good" if size < 0 else ""),
                figure(drawing.dollars(size)),
                text(meanings[name]),
            )
            for name, size in sizes
        ),
    )


def _decision_table(story: Story) -> Markup:
    shown = story.decisions[:LISTED]
    return table(
        _caption("Every decision and its reason; a hold is listed when its reason changes", len(story.decisions)),
        (
            figure("s"),
            text("decision"),
            figure("split"),
            figure("price"),
            figure("contracts"),
            figure("signal"),
            text("why"),
        ),
        (
            (
                figure(_since(story, one.at)),
                text(one.deed.value),
                figure(str(one.split) if one.split else "all"),
                figure(_move(one)),
                figure("" if one.count is None else short_count(one.count)),
                figure("" if one.momentum is None else signed_percent(one.momentum)),
                text(one.reason),
            )
            for one in shown
        ),
    )


def _order_table(story: Story) -> Markup:
    return table(
        _caption("Where our orders stood, one row a price", len(story.stands)),
        (
            figure("from s"),
            figure("to s"),
            figure("split"),
            figure("price"),
            figure("contracts"),
            figure("ahead"),
            text("why"),
        ),
        (
            (
                figure(_since(story, one.start)),
                figure("" if one.end is None else _since(story, one.end)),
                figure(str(one.key.split)),
                figure(short_price(one.price)),
                figure(short_count(one.count)),
                figure(short_count(one.ahead)),
                text(f"{one.style.value}: {one.reason}"),
            )
            for one in story.stands[:LISTED]
        ),
    )


def _fill_table(story: Story) -> Markup:
    return table(
        _caption("Every fill", len(story.marks)),
        (
            figure("s"),
            figure("split"),
            figure("price"),
            figure("contracts"),
            figure("fee $"),
            text("how"),
            figure("¢ from mid"),
        ),
        (
            (
                figure(_since(story, one.at)),
                figure(str(one.key.split)),
                figure(short_price(one.price)),
                figure(short_count(one.count)),
                figure(format_money(one.fee)),
                text("taking" if one.taker else "resting"),
                figure(_from_mid(story, one)),
            )
            for one in story.marks[:LISTED]
        ),
    )


def _caption(words: str, count: int) -> str:
    return words if count <= LISTED else f"{words}; the first {LISTED} of {count}, `depthwalker report --json` has all"


def _move(one: Decision) -> str:
    if one.price is None:
        return ""
    moved = one.before is not None and one.before != one.price
    return f"{short_price(one.before)} → {short_price(one.price)}" if moved and one.before else short_price(one.price)


def _from_mid(story: Story, one: Mark) -> str:
    """Return how much worse than the mid of its moment a fill was, in cents."""
    if one.twice_mid is None:
        return ""
    sign = 1 if story.parent.ticket.action is Action.BUY else -1
    return f"{sign * (2 * one.price - one.twice_mid) / (2 * CENT):+.2f}"


def _since(story: Story, at: Micros) -> str:
    return f"{(at - story.parent.started) / SECOND:.2f}"


def _span(story: Story) -> str:
    completed = story.projection.execution.completed
    if completed is None:
        return "still executing: the report ends where its journal does"
    return f"over after {seconds(Micros(completed - story.parent.started))} s"


def _uncosted(story: Story) -> str:
    if story.projection.execution.completed is None:
        return "The cost is known once the execution has ended."
    return "The cost is not known: the first journalled view had no mid to measure against."
