# SPDX-License-Identifier: ISC
"""Tables and figures of what was measured."""
import statistics


def table(title, columns, rows):
    """rows: (text, [samples], format). Prints smallest, median and largest of each."""
    width = max(len(text) for text, _, _ in rows)
    print("\n%-*s %s" % (width, title, " ".join("%10s" % c for c in columns)))
    for text, samples, form in rows:
        values = (min(samples), statistics.median(samples), max(samples))
        print("%-*s %s" % (width, text, " ".join("%10s" % (form % v) for v in values)))


def figure(name, samples, unit, form="%.2f"):
    print("figure %s %s %s" % (name, form % statistics.median(samples), unit))


def ratios(samples, base):
    """The ratio of each sample to the one of the same round."""
    return [a / b for a, b in zip(samples, base)]
