"""Tables for people and a picture of the ratios, as a self-contained SVG. Measures nothing."""

from math import log
from xml.sax.saxutils import escape

ROW, LEFT, WIDE, RIGHT, TOP, GAP = 17, 100, 280, 40, 34, 34
# A ratio beyond this is drawn at the edge, with its number.
RATIO_MAX = 4.0
RATIO_MIN = 0.5
COLUMNS = 3
STYLE = """
text { font: 11px sans-serif; fill: #1f2933 }
.title { font-weight: bold; font-size: 12px }
.mark { fill: #7b8794; font-size: 10px }
.own text, text.own { font-weight: bold }
.grid { stroke: #e4e7eb } .one { stroke: #52606d; stroke-dasharray: 3 2 }
.range { stroke-width: 2; opacity: .45 }
.less { fill: #b44d12; stroke: #b44d12 } .same { fill: #7b8794; stroke: #7b8794 }
.more { fill: #1668a8; stroke: #1668a8 }
"""


def tables(works, summaries, about, leaves_out):
    """One table of all ratios, then one of each work, in Markdown."""
    return "\n\n".join([overview(works, summaries, leaves_out),
                        *(one_work(works[work], rows, about[work][0])
                          for work, rows in summaries.items())])


def overview(works, summaries, leaves_out):
    shown = [work for work in summaries if work != "crowd"]
    names = sorted({name for work in shown for name in summaries[work]},
                   key=lambda name: order_of(name, summaries))
    lines = ["CPU time of a request over corelane's; below 1 the peer needs less:", "",
             f"| peer | {' | '.join(shown)} | leaves out, or does otherwise | seen |",
             "|---|" + "---|" * (len(shown) + 2)]
    for name in names:
        cells = [f"{summaries[work][name]['ratio']:.2f}" if name in summaries[work] else "–"
                 for work in shown]
        rows = [works[work]["rows"][name] for work in shown if name in works[work]["rows"]]
        label = "corelane (A/A)" if name == "corelane" else f"{name} {rows[-1]['version']}"
        label = name if name == "floor" else label
        lines.append(f"| {label} | {' | '.join(cells)} | {leaves_out.get(name) or '–'} "
                     f"| {'; '.join(rows[-1]['remarks']) or '–'} |")
    return "\n".join(lines)


def order_of(name, summaries):
    rank = {"corelane": 0, "floor": 1}.get(name, 2)
    first = next(iter(summaries))
    ratios = [rows[name]["ratio"] for rows in summaries.values() if name in rows]
    return rank, summaries[first].get(name, {"ratio": ratios[0]})["ratio"]


def one_work(measured, rows, about):
    work = measured["work"]
    extra = {"open": ["P50 µs", "P99 µs", "P99.9 µs"], "upload": ["MB a CPU second"]}
    columns = ["requests a second", "CPU µs a request", "over corelane: median (range)",
               "server at work", "resident MiB", *extra.get(work, []), "failed", "refused"]
    rate = f", {measured['rate']:,} requests a second asked" if "rate" in measured else ""
    if work == "crowd":
        columns[2] = "10,000 over 64: median (range)"
    lines = [f"**{work}**: {about}{rate}; {measured['pairs']} rounds of "
             f"{measured['seconds']:g} s.", "", f"| peer | {' | '.join(columns)} |",
             "|---|" + "---:|" * len(columns)]
    for name, middle in sorted(rows.items(), key=lambda row: row[1]["ratio"]):
        cells = [f"{middle['rate']:,.0f}", f"{middle['cpu_us']:,.2f}",
                 f"{middle['ratio']:.2f} ({middle['least']:.2f} to {middle['most']:.2f})",
                 f"{min(middle['busy'], 1):.0%}", f"{middle['memory_kib'] / 1024:.1f}"]
        if work == "open":
            cells += [f"{middle[key] / 1000:,.0f}" for key in ("p50_ns", "p99_ns", "p99_9_ns")]
        if work == "upload":
            cells.append(f"{(20 << 20) / middle['cpu_us']:,.0f}")
        cells += [f"{middle[key]:.1%}" if middle[key] else "0" for key in ("failed", "refused")]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def picture(summaries, about, machine):
    """A panel of each work: the median of the ratios as a dot on the range of its runs."""
    works = [work for work in summaries if work != "crowd"]
    rows_high = [max(len(summaries[work]) for work in works[at:at + COLUMNS])
                 for at in range(0, len(works), COLUMNS)]
    heights = [TOP + ROW * count + GAP for count in rows_high]
    columns = min(COLUMNS, len(works))
    wide, high = columns * (LEFT + WIDE + RIGHT + 16) + 20, sum(heights) + 74
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {wide} {high}" '
             f'width="{wide}" height="{high}"><style>{STYLE}</style>'
             f'<rect width="{wide}" height="{high}" fill="#fff"/>'
             '<text x="16" y="24" class="title">CPU time of a request over corelane\'s '
             '(log scale): left of 1 the peer needs less, right of 1 more</text>'
             f'<text x="16" y="41" class="mark">dot: median of pairs, bar: their range; grey '
             f'where the range holds 1; {escape(machine)}</text>']
    top = 52
    for line, height in enumerate(heights):
        for column, work in enumerate(works[line * COLUMNS:(line + 1) * COLUMNS]):
            parts += panel(work, about[work][0], summaries[work],
                           16 + column * (LEFT + WIDE + RIGHT + 16), top)
        top += height
    return "\n".join([*parts, "</svg>\n"])


def panel(work, about, rows, left, top):
    bottom = top + TOP + ROW * len(rows)
    parts = [f'<text x="{left}" y="{top + 14}" class="title">{work}</text>',
             f'<text x="{left}" y="{top + 27}" class="mark">{escape(about)}</text>']
    for ratio in (0.5, 0.7, 1, 1.4, 2, 2.8, 4):
        x = left + LEFT + place(ratio)
        kind = "one" if ratio == 1 else "grid"
        parts.append(f'<line class="{kind}" x1="{x:.1f}" x2="{x:.1f}" y1="{top + TOP}" '
                     f'y2="{bottom}"/><text class="mark" x="{x:.1f}" y="{bottom + 13}" '
                     f'text-anchor="middle">{ratio:g}</text>')
    for at, (name, middle) in enumerate(sorted(rows.items(), key=lambda row: row[1]["ratio"])):
        parts += dot(name, middle, left, top + TOP + ROW * at + ROW / 2)
    return parts


def dot(name, middle, left, y):
    kind = "same"
    if middle["most"] < 1:
        kind = "less"
    elif middle["least"] > 1:
        kind = "more"
    least, most, ratio = (left + LEFT + place(middle[key]) for key in ("least", "most", "ratio"))
    own = ' class="own"' if name == "corelane" else ""
    label = "corelane (A/A)" if name == "corelane" else name
    text = f"{middle['ratio']:.2f}" if middle["ratio"] < 10 else f"{middle['ratio']:.0f}"
    mark = f'<circle class="{kind}" cx="{ratio:.1f}" cy="{y:.1f}" r="3.5"/>'
    if middle["ratio"] > RATIO_MAX:
        # An arrow says that the number beside it is beyond the scale.
        mark = f'<path class="{kind}" d="M{ratio - 5:.1f} {y - 4:.1f} l8 4 l-8 4 z"/>'
    elif middle["ratio"] < RATIO_MIN:
        mark = f'<path class="{kind}" d="M{ratio + 5:.1f} {y - 4:.1f} l-8 4 l8 4 z"/>'
    return [f'<text{own} x="{left + LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
            f'{escape(label)}</text>',
            f'<line class="range {kind}" x1="{least:.1f}" x2="{most:.1f}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/>{mark}<text class="mark" x="{left + LEFT + WIDE + RIGHT - 6}" '
            f'y="{y + 3.5:.1f}" text-anchor="end">{text}</text>']


def place(ratio):
    """Pixels from the left edge of a panel's scale, which is logarithmic."""
    ratio = min(max(ratio, RATIO_MIN), RATIO_MAX)
    return WIDE * log(ratio / RATIO_MIN) / log(RATIO_MAX / RATIO_MIN)
