"""The live page: parts that are pure functions of what stands now, and the few lines of script that put new ones in place."""

import json
from collections.abc import Iterator, Mapping
from typing import Final

from depthwalker.core.period import Estimate
from depthwalker.core.rollout import UNTIL_BEGUN, in_cents, reach
from depthwalker.core.units import CENT_MONEY, DOLLAR, SECOND, Count, Micros, Price
from depthwalker.shell.figures import counted, percent, seconds, short_count, short_price
from depthwalker.shell.frame import Frame, Rung, Rungs
from depthwalker.shell.live import Allowance, Flight, Landed, Live, Queued, Refusal, Rolled, Seen, Watch, age
from depthwalker.shell.markup import Child, Markup, joined, tag
from depthwalker.shell.page import Cell, document, figure, section, table, text
from depthwalker.shell.rows import instant

TITLE: Final = "Depthwalker"
RUNGS: Final = 5
NONE: Final = Count(0)
DECISIONS: Final = 10
CONFIRM_STOP, CONFIRM_RELEASE = "stop", "release"
STYLE: Final = """
.flights { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 420px), 1fr)); gap: 12px }
article { background: var(--sheet); border: 1px solid var(--rule); border-radius: 8px; padding: 10px 12px; min-width: 0 }
article h3 { margin: 0 0 4px; font-size: 1rem; overflow-wrap: anywhere } article p { margin: 2px 0; font-size: .86rem }
progress { width: 100%; height: 12px; accent-color: var(--fill) }
.book { display: grid; grid-template-columns: 1fr 1fr; gap: 0 14px; font-size: .82rem; font-variant-numeric: tabular-nums }
.book ol { list-style: none; margin: 4px 0; padding: 0 } .book li { display: flex; justify-content: space-between }
.book .mine { font-weight: 700; color: var(--s1) } .told { font-size: .8rem; margin: 6px 0 0; padding-left: 18px }
.pulled { border: 2px solid var(--bad); border-radius: 8px; padding: 8px 12px; margin: 12px 0 }
.trouble:empty { display: none } .trouble { color: var(--bad); font-weight: 600 }
body:has(.pulled) #stop-form, body:not(:has(.pulled)) #release-form { display: none }
details.stop { border: 1px solid var(--bad); border-radius: 8px; padding: 8px 12px; margin: 14px 0 }
summary { cursor: pointer; font-weight: 600; color: var(--bad) } form { display: grid; gap: 8px; max-width: 32em; margin-top: 8px }
label { display: grid; gap: 3px; font-size: .9rem }
input { font: inherit; padding: 7px 9px; border: 1px solid var(--soft); border-radius: 6px; background: var(--ground); color: inherit }
button { font: inherit; font-weight: 600; padding: 9px 14px; border: 0; border-radius: 6px; background: var(--bad); color: var(--ground) }
button:focus-visible, input:focus-visible, summary:focus-visible { outline: 3px solid var(--s1); outline-offset: 2px }
"""
SCRIPT: Final = """\
"use strict";
const trouble = document.getElementById("trouble");
const source = new EventSource("events");
source.onmessage = event => {
  for (const [id, html] of Object.entries(JSON.parse(event.data))) {
    const part = document.getElementById(id);
    if (!part) continue;
    const held = part.contains(document.activeElement) ? document.activeElement.getAttribute("href") : null;
    part.innerHTML = html;
    if (held) part.querySelector(`a[href="${CSS.escape(held)}"]`)?.focus();
  }
};
source.onopen = () => { document.body.dataset.live = "yes"; trouble.textContent = ""; };
source.onerror = () => {
  document.body.dataset.live = "no";
  trouble.textContent = "The connection is lost: what is shown may be old. Trying again.";
};
"""


def live_page(live: Live, form_token: str) -> str:
    """Return the whole page; `form_token` goes with what its forms send."""
    parts = {name: Markup(html) for name, html in fragments(live).items()}
    return document(
        TITLE,
        (
            tag("header", tag("h1", TITLE), tag("p", "", id="trouble", class_="trouble", role="alert")),
            tag("noscript", tag("p", "Without JavaScript the page stands still: load it again for news.")),
            tag("div", parts["summary"], id="summary", aria_live="polite"),
            tag("div", parts["switch"], id="switch"),
            _stop_form(form_token),
            _release_form(form_token),
            section("In flight", tag("div", parts["flights"], id="flights")),
            section("Past", tag("div", parts["past"], id="past")),
            section("Queue and refusals", tag("div", parts["queue"], id="queue")),
            section("Books", tag("div", parts["books"], id="books")),
            section("Rate budget", tag("div", parts["budget"], id="budget")),
            section("Rollout and guard", tag("div", parts["rollout"], id="rollout")),
            section("Invariants and fallbacks", tag("div", parts["watch"], id="watch")),
            tag("script", "", src="live.js"),
        ),
        style=STYLE,
        policy="",
    )


def fragments(live: Live) -> Mapping[str, str]:
    """Return the parts of the page that change, by the name of the place where they stand."""
    return {
        "summary": _summary(live).text,
        "switch": _switch(live).text,
        "flights": joined(_flights(live)).text,
        "past": _past(live.past).text,
        "queue": joined(_queue(live.queue, live.refusals)).text,
        "books": _books(live.books, live.now).text,
        "budget": _budget(live.budget).text,
        "rollout": joined(_rollouts(live.rollouts)).text,
        "watch": joined(_watch(live.watch)).text,
    }


def event(changed: Mapping[str, str]) -> bytes:
    """Return parts as a server-sent event."""
    return f"data: {json.dumps(changed)}\n\n".encode()


def refused_page(why: str) -> str:
    """Return a page that says why nothing is shown."""
    return document(TITLE, (tag("h1", TITLE), tag("p", why)), style="", policy="")


def _summary(live: Live) -> Markup:
    hidden = live.flying - len(live.flights)
    more = f", the latest {len(live.flights)} shown" if hidden > 0 else ""
    lost = sum(flight.abandoned for flight in live.flights)
    told = f"{live.flying} in flight{more}, the latest {len(live.past)} that ended below"
    if lost:
        told += f"; {lost} of them run by nobody: `depthwalker recover` takes them up"
    return tag("p", told, class_="bad" if lost else "soft")


def _switch(live: Live) -> Markup:
    if live.switch is None:
        return tag("p", "The kill switch is not pulled.", class_="soft")
    pulled = live.switch
    left = f" {live.flying} have not ended yet." if live.flying else " Everything has ended."
    return tag(
        "p",
        tag("strong", f"The kill switch is pulled: {pulled.reason}."),
        f" By {pulled.by}, {_when(pulled.at)} UTC. Nothing new begins.{left}",
        class_="pulled",
        role="status",
    )


def _stop_form(form_token: str) -> Markup:
    told = "Every execution cancels what rests and ends, and nothing new begins until the switch is released."
    why = tag("label", "Why", tag("input", name="reason", required="", maxlength=200, autocomplete="off"))
    return _form(form_token, CONFIRM_STOP, "Stop everything", told, "Pull the kill switch", why)


def _release_form(form_token: str) -> Markup:
    told = "Trading may go on; what has ended stays ended."
    return _form(form_token, CONFIRM_RELEASE, "Release the kill switch", told, "Release the kill switch")


def _form(form_token: str, word: str, title: str, told: str, button: str, *fields: Markup) -> Markup:
    """Return a form that is sent to the address `word`, once that very word has been typed."""
    return tag(
        "details",
        tag("summary", title),
        tag(
            "form",
            tag("p", told),
            tag("input", type="hidden", name="form", value=form_token),
            *fields,
            _typed(word),
            tag("button", button, type="submit"),
            method="post",
            action=word,
        ),
        class_="stop",
        id=f"{word}-form",
    )


def _typed(word: str) -> Markup:
    return tag(
        "label",
        f"Type {word} to confirm",
        tag("input", name="confirm", required="", pattern=word, autocomplete="off", autocapitalize="none"),
    )


def _flights(live: Live) -> Iterator[Child]:
    if not live.flights:
        yield tag("p", "Nothing is in flight.", class_="soft")
        return
    yield tag("div", *(_flight(flight) for flight in live.flights), class_="flights")


def _flight(flight: Flight) -> Markup:
    name = tag("h3", tag("a", f"{flight.execution_id}", href=f"executions/{flight.execution_id}"), f" {flight.ticker}")
    shown = flight.frame
    owner = "run by nobody: its worker is gone" if flight.abandoned else f"run by {flight.owner}"
    last = tag("p", f"{owner}; request key {flight.request_key}", class_="bad" if flight.abandoned else "soft")
    if flight.trouble:
        return tag("article", name, tag("p", flight.trouble, class_="bad"), last)
    if shown is None:
        return tag("article", name, tag("p", "waiting for the first look at the market"), last)
    told = tag("ul", *(tag("li", f"{one.kind} {one.text}") for one in reversed(flight.told)), class_="told")
    return tag("article", name, *_framed(flight, shown), told, last)


def _framed(flight: Flight, shown: Frame) -> Iterator[Child]:
    average = "" if shown.average is None else f" at {short_price(shown.average)}"
    label = f"{short_count(shown.filled)} of {short_count(shown.count)} filled, {percent(shown.filled, shown.count)}{average}"
    yield tag(
        "p",
        f"{shown.action.value} {shown.outcome.value} {short_price(shown.target)}, cap {short_price(shown.cap)}; "
        f"{shown.algorithm or 'planning'}; {shown.stage}, {seconds(shown.left)} s left; {counted(shown.walks, 'walk')}, "
        f"{counted(shown.calls, 'call')}",
    )
    name = f"execution {flight.execution_id}: {label}"
    yield tag("progress", label, max=max(1, shown.count), value=min(shown.filled, shown.count), aria_label=name)
    yield tag("p", label)
    yield tag("div", _rungs("bids", shown.bids), _rungs("offers", shown.offers), class_="book")
    for child in shown.children:
        note = f" ({child.note})" if child.note else ""
        filled = f"{short_count(child.filled)}/{short_count(child.count)}"
        walks = counted(child.walks, "walk")
        yield tag("p", f"split {child.split} at {short_price(child.price)}: {filled} {child.phase}, {walks}{note}")


def _rungs(name: str, rungs: Rungs) -> Markup:
    return tag("ol", *(_rung(rung) for rung in rungs[:RUNGS]), aria_label=f"{name}, best first")


def _rung(rung: Rung) -> Markup:
    others = short_count(rung.others) if rung.others else ""
    own = f"{' + ' if others else ''}{short_count(rung.own)} ours" if rung.own else ""
    return tag(
        "li", tag("span", short_price(rung.price)), tag("span", others + own), class_="mine" if rung.own else None
    )


def _past(past: tuple[Landed, ...]) -> Markup:
    if not past:
        return tag("p", "Nothing has ended yet.", class_="soft")
    return table(
        f"The latest {len(past)} executions that have ended; each links to its report",
        (
            figure("id"),
            text("ended (UTC)"),
            text("order"),
            text("algorithm"),
            text("status"),
            figure("filled"),
            figure("average"),
            figure("cost ¢"),
            text("ending"),
        ),
        (
            (
                Cell(str(one.execution_id), numeric=True, href=f"executions/{one.execution_id}"),
                text(_when(one.at)),
                text(f"{one.action} {one.outcome} {one.ticker} at {short_price(one.target)}"),
                text(one.algorithm),
                text(one.status),
                figure(f"{short_count(one.filled)} / {short_count(one.wanted)}"),
                figure("" if one.average is None else f"{one.average / 10_000:.4f}"),
                figure("" if one.cost is None else f"{one.cost / CENT_MONEY:+.3f}"),
                text(one.ending),
            )
            for one in past
        ),
    )


def _queue(queue: tuple[Queued, ...], refusals: tuple[Refusal, ...]) -> Iterator[Child]:
    if queue:
        yield table(
            "Parents in the queue",
            (text("account"), figure("waiting"), figure("with a worker"), figure("longest wait")),
            (
                (
                    text(one.account),
                    figure(str(one.waiting)),
                    figure(str(one.taken)),
                    figure("" if one.longest is None else age(one.longest)),
                )
                for one in queue
            ),
        )
    else:
        yield tag("p", "Nothing waits in the queue.", class_="soft")
    if refusals:
        yield table(
            "Parents that were not admitted in the last day, the latest first",
            (text("at (UTC)"), text("account"), text("market"), text("kind"), text("why"), figure("asked")),
            (
                (
                    text(_when(one.at)),
                    text(one.account),
                    text(one.ticker),
                    text(one.kind),
                    text(one.reason),
                    figure(str(one.times)),
                )
                for one in refusals
            ),
        )


def _books(books: tuple[Seen, ...], now: Micros) -> Markup:
    if not books:
        return tag("p", "No book has been kept yet.", class_="soft")
    return tag("div", *(_book(seen, now) for seen in books), class_="flights")


def _book(seen: Seen, now: Micros) -> Markup:
    bids = tuple(Rung(price, count, NONE) for price, count in seen.yes)
    offers = tuple(Rung(Price(DOLLAR - price), count, NONE) for price, count in seen.no)
    both = f"YES {short_price(bids[0].price)} to {short_price(offers[0].price)}" if bids and offers else "one side only"
    told = tag("p", f"{both}, kept {age(Micros(max(0, now - seen.at)))} ago", class_="soft")
    ladders = tag("div", _rungs("bids", bids), _rungs("offers", offers), class_="book")
    return tag("article", tag("h3", seen.market), told, ladders)


def _rollouts(rollouts: tuple[Rolled, ...]) -> Iterator[Child]:
    if not rollouts:
        yield tag("p", f"{UNTIL_BEGUN.capitalize()}.", class_="soft")
    for one in rollouts:
        yield from _rollout(one)


def _rollout(one: Rolled) -> Iterator[Child]:
    standing = one.standing
    rollout, found = standing.rollout, standing.found
    stage = "not begun" if rollout.stage is None else f"stage {rollout.stage.value}, since {_when(rollout.since)} UTC"
    yield tag("p", tag("strong", f"{one.account}: {stage}."))
    if rollout.stopped:
        yield tag("p", f"The walker is stopped: {rollout.stopped}. All edges are control.", class_="bad")
    elif rollout.stage is not None:
        held = f", held: {rollout.held}" if rollout.held else ""
        yield tag("p", f"{reach(rollout.stage)}{held}.")
    if standing.danger is not None:
        yield tag("p", f"The guard would disable the walker: {standing.danger.reason}.", class_="bad")
    elif rollout.stage is not None and not rollout.stopped:
        yield tag("p", "The guard has nothing against the walker.", class_="soft")
    yield tag(
        "p",
        f"{found.walkers} walker's and {found.controls} control's parents on {found.days} common days: "
        f"{_cents(found.walker_cost)} and {_cents(found.control_cost)} cents a contract; the walker less control "
        f"{_interval(found.difference)}. Advice: {standing.advised.advice.value} ({standing.advised.reason}).",
    )
    yield table(
        f"Decisions about the rollout of {one.account}, the latest first",
        (figure("number"), text("at (UTC)"), text("decision"), text("stage after it"), text("by"), text("why")),
        (
            (
                figure(str(entry.number)),
                text(_when(entry.at)),
                text(entry.move.value),
                text(entry.stage.value),
                text(entry.by),
                text(entry.reason),
            )
            for entry in reversed(standing.entries[-DECISIONS:])
        ),
    )


def _interval(gap: Estimate | None) -> str:
    if gap is None:
        return "is not known"
    told = "no interval yet" if gap.low is None or gap.high is None else f"{_cents(gap.low)} to {_cents(gap.high)}"
    return f"{_cents(gap.mean)} ({told})"


def _cents(micros: int | None) -> str:
    return "none" if micros is None else f"{'+' if micros > 0 else ''}{in_cents(micros)}"


def _watch(watch: Watch) -> Iterator[Child]:
    if watch.trouble:
        yield tag("p", f"They could not be looked at: {watch.trouble}.", class_="bad")
    elif watch.breaches:
        yield tag("p", "Rows that break an invariant: this must never be.", class_="bad", role="alert")
        yield table(
            "Broken invariants, numbered as in docs/architecture.md",
            (figure("execution"), figure("invariant"), text("detail")),
            (
                (
                    Cell(str(one.execution_id), numeric=True, href=f"executions/{one.execution_id}"),
                    figure(str(one.invariant)),
                    text(one.detail),
                )
                for one in watch.breaches
            ),
        )
    else:
        yield tag("p", "No row breaks an invariant.", class_="soft")
    if watch.fallbacks:
        yield table(
            "Executions of seven days that ran another way than configured",
            (text("reason"), text("ran"), figure("executions")),
            ((text(one.reason), text(one.ran), figure(str(one.executions))) for one in watch.fallbacks),
        )


def _budget(budget: tuple[Allowance, ...]) -> Markup:
    if not budget:
        return tag("p", "No process shares a budget through this database yet.", class_="soft")
    return table(
        "Tokens of the exchange's rate limits: free ones refill, leased ones are a worker's to spend",
        (text("account"), text("bucket"), figure("free"), figure("leased"), figure("workers"), figure("last leased")),
        (
            (
                text(one.account),
                text(one.bucket),
                figure(f"{one.free:,}"),
                figure(f"{one.leased:,}"),
                figure(str(one.workers)),
                figure(f"{age(Micros(one.since // SECOND * SECOND))} ago"),
            )
            for one in budget
        ),
    )


def _when(at: Micros) -> str:
    return instant(at)[:19].replace("T", " ")
