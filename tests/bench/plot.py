#!/usr/bin/python3
# SPDX-License-Identifier: ISC
"""plot.py [--update] [RESULT]: what "make bench B=router" has left in build/artifacts/bench-router.json (or RESULT), as
tables in Markdown. --update: puts them between the marks in doc/performance.md and draws doc/performance.svg."""
import html
import json
import math
import os
import statistics
import sys

from lib import quantities
from lib.quantities import QUANTITIES, SERVERS, TITLES, median, samples

TOP = os.path.realpath(os.path.join(os.path.dirname(__file__), "../.."))
RESULT = os.path.join(TOP, "build/artifacts/bench-router.json")
DOCUMENT, PICTURE = os.path.join(TOP, "doc/performance.md"), os.path.join(TOP, "doc/performance.svg")
BEGIN, END = "<!-- tests/bench/plot.py: begin -->\n", "<!-- tests/bench/plot.py: end -->\n"

# Markdown

def number(value, form="%.2f"):
    """A memory that has shrunk a little is none. No more digits than can mean something."""
    if form == "%.2f" and value >= 10:
        form = "%.0f" if value >= 100 else "%.1f"
    text = "{:,.{}f}".format(value, form.strip("%.f"))
    return text.lstrip("-") if not text.strip("-0.") else text


def row(*cells):
    return "| " + " | ".join(cells) + " |\n"


def medians(servers):
    names = [name for name in SERVERS if name in servers]
    out = row("", *("**%s**" % TITLES[n] if n == "trpsup" else TITLES[n] for n in names)) + row("---", *("---:" for _ in names))
    for quantity, text, form, compared in QUANTITIES:
        cells = [median(servers, n, quantity) for n in names]
        if names[0] == "direct" and quantity in ("front_us", "tls_front_us", "front_sleeps"):
            cells[0] = None
        out += row(text, *("" if c is None else number(max(c, 0), form) for c in cells))
        if compared:
            cells = [median(servers, n, quantity, True) for n in names]
            out += row("... to nginx alone", *("" if c is None else "**%s**" % number(c) for c in cells))
    return out


def spread(servers):
    out = row("trpsup", "min", "median", "max") + row("---", "---:", "---:", "---:")
    for quantity, text, form, compared in QUANTITIES:
        for to_direct in (False, True)[:1 + compared]:
            found = samples(servers, "trpsup", quantity, to_direct)
            if found and len(found) > 1:
                out += row("... to nginx alone" if to_direct else text, *(
                    number(f(found), "%.2f" if to_direct else form) for f in (min, statistics.median, max)))
    return out


def tables(result):
    servers = result["servers"]
    return "%s; %s, %d round%s. Medians:\n\n%s\n%s" % (result["machine"], result["when"], result["rounds"],
                                                      "s" * (result["rounds"] > 1), medians(servers), spread(servers))


# The picture: a panel for each quantity, a line for each server, a dot for the median, a bar from the smallest to the
# largest of the rounds, on a logarithmic scale.

# title, what it is, ((quantity, is it to nginx alone), ...), format
PANELS = (
    ("CPU of a new HTTP connection", "all server processes, × nginx alone; less is better", (("new_us", True),), "%.2f"),
    ("CPU of a new TLS connection", "with its handshake, × nginx alone; less is better", (("tls_us", True),), "%.2f"),
    ("System calls of a new HTTP connection", "router or proxy alone; less is better", (("new_calls", False),), "%.1f"),
    ("Memory of an idle connection", "router or proxy alone, bytes; less is better", (("idle_bytes", False),), "%.0f"),
    ("Requests/s on kept connections", "× nginx alone; more is better", (("kept_rate", True),), "%.2f"),
    ("Latency of a new connection, %d/s" % quantities.RATE, "● p50  ○ p99, × nginx alone; less is better",
     (("p50_ms", True), ("p99_ms", True)), "%.2f"),
    ("Bulk, 100 MiB bodies", "MB/s, × nginx alone; more is better", (("bulk_rate", True),), "%.2f"),
    ("Bulk in TLS, 100 MiB bodies", "MB/s, × nginx alone; more is better", (("bulk_tls_rate", True),), "%.2f"),
)
WIDTH, MARGIN, NAMES, VALUES, GAP = 960, 24, 122, 80, 32
LINE, HEAD, FOOT, TOP_SPACE, BOTTOM_SPACE = 20, 50, 40, 82, 34
PANEL_WIDTH = (WIDTH - 2 * MARGIN - GAP) // 2
ZERO_BELOW = 100  # of a quantity that can be nothing: bytes
OURS, OURS_LIGHT, OTHERS, BASE, GREY, LIGHT, INK = "#0f766e", "#f0fdfa", "#64748b", "#94a3b8", "#6b7280", "#e5e7eb", "#111827"


def text(x, y, content, size=12, colour=INK, anchor="start", weight="normal"):
    return '<text x="%.1f" y="%.1f" font-size="%g" fill="%s" text-anchor="%s" font-weight="%s">%s</text>\n' % (
        x, y, size, colour, anchor, weight, html.escape(content))


def line(x1, y1, x2, y2, colour, width=1.0, dash=""):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="%g"%s/>\n' % (
        x1, y1, x2, y2, colour, width, ' stroke-dasharray="%s"' % dash if dash else "")


def dot(x, y, colour, hollow):
    return '<circle cx="%.1f" cy="%.1f" r="4.5" fill="%s" stroke="%s" stroke-width="1.8"/>\n' % (
        x, y, "#ffffff" if hollow else colour, colour)


class Axis:
    """Logarithmic, from below the smallest to above the largest value; what is nothing lies at its beginning."""
    def __init__(self, values, left, right, zero):
        self.zero = zero
        values = [v for v in values if not self.zero or v >= ZERO_BELOW] or [ZERO_BELOW]
        self.low, self.high = math.log10(min(values) / 1.15), math.log10(max(values) * 1.15)
        if self.high - self.low < 0.5:  # no drama where nothing differs
            middle = (self.high + self.low) / 2
            self.low, self.high = middle - 0.25, middle + 0.25
        self.left, self.right, self.nothing = left + (26 if self.zero else 0), right, left + 6

    def place(self, value):
        if self.zero and value < ZERO_BELOW:
            return self.nothing
        return self.left + (math.log10(value) - self.low) / (self.high - self.low) * (self.right - self.left)

    def ticks(self):
        found = [(m * 10.0 ** e) for e in range(-4, 7) for m in (1, 2, 5)
                 if self.low <= math.log10(m * 10.0 ** e) <= self.high]
        if len(found) > 5:
            found = [t for t in found if "%g" % t == "1" or str(t).strip("0.").startswith("1")]
        return [(self.nothing, "0")] * self.zero + [(self.place(t), "%s" % format(t, ",g")) for t in found]


def draw_marks(axis, servers, name, quantity, to_direct, y, hollow):
    found = [max(v, 0) for v in samples(servers, name, quantity, to_direct)]
    colour = {"direct": BASE, "trpsup": OURS}.get(name, OTHERS)
    middle = statistics.median(found)
    return line(axis.place(min(found)), y, axis.place(max(found)), y, colour, 3 if name == "trpsup" else 2) + \
        dot(axis.place(middle), y, colour, hollow)


def panel(servers, x, y, names, title, what, measured, form):
    """Returns the drawing."""
    shown = [n for n in names if samples(servers, n, *measured[0])]
    values = [max(v, 0) for n in shown for m in measured for v in samples(servers, n, *m)]
    left, right, bottom = x + NAMES, x + PANEL_WIDTH - VALUES, y + HEAD + LINE * len(names)
    axis = Axis(values, left, right, measured[0][0] == "idle_bytes")
    out = text(x, y + 14, title, 14, INK, weight="600") + text(x, y + 31, what, 11.5, GREY)
    if "trpsup" in names:
        out += '<rect x="%.1f" y="%.1f" width="%d" height="%d" rx="4" fill="%s"/>\n' % (
            x, y + HEAD + LINE * names.index("trpsup") - 4, PANEL_WIDTH + 6, LINE, OURS_LIGHT)
    for place, label in axis.ticks():
        out += line(place, y + HEAD - 8, place, bottom, BASE if label == "1" else LIGHT, 1, "3 3" if label == "1" else "")
        out += text(place, bottom + 14, label, 10.5, GREY, "middle")
    for number_, name in enumerate(names):
        middle = y + HEAD + LINE * number_ + LINE / 2 - 4
        ours = name == "trpsup"
        colour, weight = (OURS, "700") if ours else (INK, "normal")
        out += text(left - 12, middle + 4, TITLES[name], 12, colour, "end", weight)
        if name not in shown:
            out += text(left, middle + 4, "–", 12, GREY)
            continue
        for number_of, (quantity, to_direct) in reversed(list(enumerate(measured))):
            out += draw_marks(axis, servers, name, quantity, to_direct, middle, number_of > 0)
        label = " / ".join(number(max(median(servers, name, *m), 0), form) for m in measured)
        out += text(x + PANEL_WIDTH, middle + 4, label, 11.5, colour, "end", weight)
    return out


def picture(result):
    servers = result["servers"]
    names = [n for n in SERVERS if n in servers]
    height = HEAD + LINE * len(names) + FOOT
    total = TOP_SPACE + height * ((len(PANELS) + 1) // 2) + BOTTOM_SPACE
    out = ('<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" '
           'font-family="Inter, Helvetica Neue, Helvetica, Arial, DejaVu Sans, sans-serif">\n'
           '<title>trpsup and six proxies before the same nginx</title>\n'
           '<rect width="%d" height="%d" fill="#ffffff"/>\n') % (WIDTH, total, WIDTH, total, WIDTH, total)
    out += text(MARGIN, 36, "trpsup and six proxies before the same nginx", 20, INK, weight="700")
    out += text(MARGIN, 57, "Median of %d round%s; the bar goes from the smallest to the largest. Logarithmic scales; the dashed line "
                "is nginx alone." % (result["rounds"], "s" * (result["rounds"] > 1)), 12.5, GREY)
    for number_, (title, what, measured, form) in enumerate(PANELS):
        x = MARGIN + (number_ % 2) * (PANEL_WIDTH + GAP)
        out += panel(servers, x, TOP_SPACE + (number_ // 2) * height, names, title, what, measured, form)
    out += text(MARGIN, total - 16, "%s; %s" % (result["machine"].split("; ")[0], result["when"]), 11, GREY)
    return out + "</svg>\n"


def update(result):
    with open(DOCUMENT) as f:
        before, begin, rest = f.read().partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit("plot.py: no marks in " + DOCUMENT)
    with open(DOCUMENT, "w") as f:
        f.write(before + begin + "\n" + tables(result) + "\n" + end + after)
    with open(PICTURE, "w") as f:
        f.write(picture(result))


def main(arguments):
    paths = [a for a in arguments if a != "--update"]
    if len(paths) > 1 or any(p.startswith("-") for p in paths):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        with open(paths[0] if paths else RESULT) as f:
            result = json.load(f)
    except (OSError, ValueError) as e:
        sys.exit("plot.py: %s (make bench B=router writes it)" % e)
    if "--update" in arguments:
        update(result)
    print(tables(result), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
