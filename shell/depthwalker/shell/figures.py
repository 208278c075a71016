"""Numbers as a reader wants them: exact, without the zeros that say nothing."""

from collections.abc import Mapping, Sequence

from depthwalker.core.units import MILLION, SECOND, Count, Micros, Price, format_count, format_price, round_div

_CENTS = 2


def short_count(count: Count) -> str:
    """Return contracts with decimals only where there are any."""
    return format_count(count).rstrip("0").rstrip(".")


def counted(number: int, thing: str) -> str:
    """Return so many of a thing whose plural ends in s."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def standing(days: Sequence[str], *, descriptive: bool) -> str:
    """Return on which days' markets a result stands, and that nothing is claimed of others where they are too few for it."""
    span = "none, the markets are drawn" if not days else days[0] if len(days) == 1 else ""
    told = f"days: {span or f'{len(days)}, {days[0]} to {days[-1]}'}"
    return f"{told}; fewer than five: descriptive, nothing is claimed of other days" if descriptive else told


def trades_told(played: Mapping[str, int], inferred: Mapping[str, int], untold: Mapping[str, int]) -> str:
    """Return how many trades of each recording were played, and what is not known of their sides."""
    told: list[str] = []
    for file, count in played.items():
        said = [f"the taker's side of {inferred[file]:,} inferred"] if file in inferred else []
        said += [f"{untold[file]:,} more of no known side left out"] if file in untold else []
        told.append(f"{count:,} of {file}" + (f" ({', '.join(said)})" if said else ""))
    return ", ".join(told)


def short_price(price: Price) -> str:
    """Return dollars with at least two decimals."""
    text = format_price(price).rstrip("0")
    whole, _, decimals = text.partition(".")
    return f"{whole}.{decimals.ljust(_CENTS, '0')}"


def seconds(span: Micros) -> str:
    """Return a span in seconds with one decimal, cut off."""
    whole, tenths = divmod(max(0, span) * 10 // SECOND, 10)
    return f"{whole}.{tenths}"


def percent(part: int, whole: int) -> str:
    """Return a share in whole per cent, rounded down, so that only all of it is 100 %."""
    return f"{part * 100 // whole if whole else 0} %"


def share(part: int, whole: int) -> str:
    """Return a share in per cent with one decimal, cut off, so that only all of it is 100.0 %."""
    full, tenths = divmod(part * 1_000 // whole if whole else 0, 10)
    return f"{full}.{tenths} %"


def signed_percent(ppm: int) -> str:
    """Return parts per million as per cent with two decimals, rounded, and a sign."""
    hundredths = round_div(ppm, MILLION // 10_000)
    whole, rest = divmod(abs(hundredths), 100)
    return f"{'-' if hundredths < 0 else '+'}{whole}.{rest:02d} %"
