# SPDX-License-Identifier: Apache-2.0
"""A few kinds of plots as SVG text; the standard library only."""
import math
from html import escape

COLOURS = {"strata": "#0b6e4f", "ceiling": "#9aa0a6", "peer": "#c8553d"}
OTHERS = ["#c8553d", "#3f72af", "#8e5ea2", "#d9a404", "#5c5c5c", "#2a9d8f", "#b56576"]
WIDTH, LEFT, RIGHT, TOP, BOTTOM = 720, 70, 200, 40, 50


def _page(height, title, body):
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            f'font-family="sans-serif" font-size="12">\n'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>\n'
            f'<text x="{LEFT}" y="22" font-size="15" font-weight="bold">{escape(title)}</text>\n'
            + "\n".join(body) + "\n</svg>\n")


def _text(x, y, text, anchor="start", colour="#333"):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}">{escape(text)}</text>'


def _line(x1, y1, x2, y2, colour, width=1.0):
    return (f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
            f'stroke-width="{width}"/>')


def number(value):
    """Three significant digits, thousands separated."""
    if value == 0:
        return "0"
    digits = max(0, 2 - int(math.floor(math.log10(abs(value)))))
    return f"{value:,.{digits}f}"


def bars(title, unit, items):
    """items: (name, role, value), on a logarithmic axis: contestants differ by orders."""
    row, left = 22, 230
    height = TOP + row * len(items) + 34
    low = math.floor(math.log10(min(value for _, _, value in items)))
    high = math.log10(max(value for _, _, value in items))
    scale = (WIDTH - left - 90) / max(high - low, 1e-9)
    body = []
    for i, (name, role, value) in enumerate(items):
        y = TOP + row * i
        width = max(2.0, (math.log10(value) - low) * scale)
        body.append(_text(left - 8, y + 14, name, "end"))
        body.append(f'<rect x="{left}" y="{y + 2}" width="{width:.1f}" height="{row - 6}" '
                    f'fill="{COLOURS[role]}"/>')
        body.append(_text(left + width + 6, y + 14, f"{number(value)} {unit}"))
    body.append(_text(left, height - 10, f"{unit}, logarithmic"))
    return _page(height, title, body)


def lines(title, x_label, y_label, series, log_y=True):
    """series: (name, role, [(x, y)...]); x is logarithmic."""
    height = 380
    points = [p for _, _, all_points in series for p in all_points]
    x_low, x_high = (math.log10(f(p[0] for p in points)) for f in (min, max))
    y_of = math.log10 if log_y else float
    y_low = math.floor(min(y_of(p[1]) for p in points)) if log_y else 0.0
    y_high = math.ceil(max(y_of(p[1]) for p in points)) if log_y else max(p[1] for p in points) * 1.1
    y_high = max(y_high, y_low + 1e-9)

    def at(x, y):
        return (LEFT + (math.log10(x) - x_low) / max(x_high - x_low, 1e-9) * (WIDTH - LEFT - RIGHT),
                height - BOTTOM - (y_of(y) - y_low) / (y_high - y_low) * (height - TOP - BOTTOM))

    body = []
    ticks = ([10.0 ** k for k in range(int(y_low), int(y_high) + 1)] if log_y
             else [y_high * k / 5 for k in range(6)])
    for tick in ticks:
        _, y = at(10 ** x_low, tick)
        body.append(_line(LEFT, y, WIDTH - RIGHT, y, "#e3e3e3"))
        body.append(_text(LEFT - 6, y + 4, number(tick), "end"))
    for x in sorted({p[0] for p in points}):
        px, _ = at(x, ticks[-1])
        body.append(_line(px, height - BOTTOM, px, height - BOTTOM + 4, "#333"))
        body.append(_text(px, height - BOTTOM + 18, f"{x:,.0f}", "middle"))
    others = iter(OTHERS)
    names = []
    for name, role, all_points in series:
        colour = next(others) if role == "peer" else COLOURS[role]
        places = [at(x, y) for x, y in sorted(all_points)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        body.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        body.extend(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places)
        names.append([places[-1][1], name, colour])
    names.sort()
    for before, after in zip(names, names[1:]):  # labels must not cover each other
        after[0] = max(after[0], before[0] + 15)
    body.extend(_text(WIDTH - RIGHT + 10, y + 4, name, colour=colour) for y, name, colour in names)
    body.append(_text((LEFT + WIDTH - RIGHT) / 2, height - 8, x_label, "middle"))
    body.append(_text(LEFT - 60, TOP - 4, y_label))
    return _page(height, title, body)
