"""Writes cftime_cases.json: what Python's cftime (and pandas, for frequencies) make of times.

    python make_cftime_cases.py > cftime_cases.json

Needs cftime, numpy and pandas. Floats are written as the bits of a float64, so that no reader of JSON can round them.
cftime computes in long double: run it where that is the 80-bit type (x86-64 Linux).
"""

import json
import random
import struct
import sys
import warnings
from datetime import datetime, timedelta
from fractions import Fraction

import cftime
import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
random.seed(20261122)

CALENDARS = ["standard", "proleptic_gregorian", "julian", "noleap", "all_leap", "360_day"]
SCALE = {"days": 86400, "hours": 3600, "minutes": 60, "seconds": 1, "milliseconds": 1e-3, "microseconds": 1e-6}
MICROS = {unit: round(seconds * 1_000_000) for unit, seconds in SCALE.items()}


def bits(value):
    return f"{struct.unpack('<Q', struct.pack('<d', float(value)))[0]:016x}"


def fields(date):
    return [date.year, date.month, date.day, date.hour, date.minute, date.second, date.microsecond]


def decode(value, units, calendar):
    """cftime's date, or None where it has none."""
    try:
        date = cftime.num2date(np.array([value]), units, calendar=calendar)[0]
        return fields(date) if isinstance(date, cftime.datetime) else None
    except (ValueError, OverflowError, TypeError):
        return None


def decoding(calendar, units, dtype, numbers):
    values = np.array(numbers, dtype=dtype)
    kind = values.dtype.kind
    return {
        "calendar": calendar,
        "units": units,
        "dtype": dtype,
        "values": [bits(v) if kind == "f" else int(v) for v in values],
        "dates": [decode(v, units, calendar) for v in values],
    }


REFERENCES = [
    "1970-01-01", "1900-01-01 00:00:00.0", "1850-1-1", "1978-01-01 12:00:00", "1949-12-01 00:00", "0001-01-01 00:00:00",
    "0000-01-01", "0000-02-29 06:00:00", "-0001-12-30", "-4713-01-01 12:00:00", "-0004-02-29", "1582-10-04",
    "1582-10-15 00:00:00", "1582-10-10", "1500-02-29", "1600-02-29", "1900-02-29", "2000-02-30", "2001-02-31",
    "1999-12-31 23:59:59.999999", "2000-01-01T00:00:00Z", "2000-01-01 00:00:00 +01:00", "2000-03-01 00:30:00 -0930",
    "2000-01-01 00:00:00.123456", "2000-01-01 00:00:00.0000035", "70-1-1 0:0:0", "10000-06-15", "2000-13-01",
    "2000-01-01 24:00:00", "2000-01-01 00:60", "2000-00-10", "2000-01-32", "2000-1-1 12:30:15.5 UTC",
]
SPANS = {"days": 800_000, "hours": 2_000_000, "minutes": 50_000_000, "seconds": 3_000_000_000,
         "milliseconds": 10**13, "microseconds": 10**16}


def decodings():
    for reference in REFERENCES:
        for calendar in CALENDARS:
            yield decoding(calendar, f"days since {reference}", "int64", [0, 1, -1, 59, 60, 365, 366, -366, 146097, -719529])
    for calendar in CALENDARS:
        # Around the change of 1582, leap days, the years around zero.
        for reference in ["1582-10-01", "1582-10-20", "1600-01-01", "1500-01-01", "0003-12-30", "-0001-12-30", "2000-02-28"]:
            yield decoding(calendar, f"hours since {reference}", "int64", list(range(-480, 481, 60)))
            yield decoding(calendar, f"days since {reference}", "float64", [k / 4 for k in range(-40, 41, 3)])
        for unit, span in SPANS.items():
            for reference in ["1970-01-01", "1850-1-1", "1582-10-15 00:00:00", "0001-01-01 00:00:00", "2000-01-01 00:00:00.123456"]:
                units = f"{unit} since {reference}"
                yield decoding(calendar, units, "int64", [random.randint(-span, span) for _ in range(8)])
                yield decoding(calendar, units, "float64", [random.uniform(-span, span) for _ in range(12)])
                yield decoding(calendar, units, "float64", [round(random.uniform(-span, span), 3) for _ in range(6)])
                yield decoding(calendar, units, "float32", [random.uniform(-span, span) for _ in range(6)])
        # Fractions: short ones, computed ones, and those beside a whole second.
        for unit in SCALE:
            near = [1 / 3, 0.1, 0.7, 1 / 7, 1e-6, 1.5e-6, 2.5e-6, 0.9999999, 1.0000004, 2.2e-16, 1e-300, -0.0, -1e-7]
            near += [10_000 + k / 24 for k in range(12)] + [20_000 + k * (1 / 24) for k in range(12)]
            beside = [(k * 1_000_000 + d) / MICROS[unit] for k in (3, 86_399, -7) for d in (-1.4, -0.6, -1, 0.6, 1, 1.4)]
            yield decoding(calendar, f"{unit} since 1950-01-01", "float64", near + beside)
            yield decoding(calendar, f"{unit} since 1950-01-01", "float32", near[:10])
    # Halves of a microsecond, where the precision of the product decides.
    for unit in SCALE:
        values = [random.uniform(2**10, 2**18) * 86400 / SCALE[unit] for _ in range(3000)]
        halves = [v for v in values if abs((v * MICROS[unit]) % 1 - 0.5) < 0.02][:40]
        yield decoding("noleap", f"{unit} since 1950-01-01", "float64", halves)
        # The product in 80 bits is a half, the exact one is not.
        values = np.array([random.uniform(2**12, 2**15) * 86400 / SCALE[unit] for _ in range(60_000)])
        product = np.longdouble(MICROS[unit]) * values
        halves = values[(product - np.floor(product)) == 0.5]
        exact = [Fraction(v) * MICROS[unit] for v in halves]
        yield decoding("noleap", f"{unit} since 1950-01-01", "float64", [v for v, e in zip(halves, exact) if e.denominator != 2])
    # What 64 bits cannot hold, and what is not a number.
    for calendar in CALENDARS:
        for unit in SCALE:
            values = [float("inf"), float("-inf"), 9.969209968386869e36, -1e20, 1e19]
            yield decoding(calendar, f"{unit} since 1950-01-01", "float64", values)
        yield decoding(calendar, "days since 1950-01-01", "int64", [106751991 + 1, -106751991 - 2, 2**62])
    names = ["days", "day", "d", "hours", "hour", "hrs", "hr", "h", "minutes", "minute", "mins", "min", "seconds", "second",
             "secs", "sec", "s", "milliseconds", "millisecond", "millisecs", "millisec", "msecs", "msec", "ms",
             "microseconds", "microsecond", "microsecs", "microsec", "Days", "HOURS"]
    unknown = ["weeks", "week", "nanoseconds", "ns", "us", "fortnight", "m", "kelvin"]
    for name in names + unknown:
        yield decoding("standard", f"{name} since 2000-02-28 12:00:00", "int64", [7, -7])
    for bad in ["days", "days since", "since 2000-01-01", "days from 2000-01-01", "days since yesterday", "days since 2000-01",
                "days since 2000", ""]:
        yield decoding("standard", bad, "int64", [0])
    for name in ["none", "tai2", "365", "gregorian_proleptic"]:
        yield decoding(name, "days since 2000-01-01", "int64", [0])
    for name in ["Gregorian", "365_DAY", "366_day", "NoLeap"]:
        yield decoding(name, "days since 2000-01-01", "int64", [59, 400])


def microseconds(delta):
    return (delta.days * 86400 + delta.seconds) * 1_000_000 + delta.microseconds


def axes():
    """Several files to one integer axis: cftime's dates, minus the first file's reference, in the coarsest unit."""
    for number in range(120):
        calendar = CALENDARS[number % len(CALENDARS)]
        grid = random.choice(list(SCALE))
        files = []
        for _ in range(random.randint(2, 4)):
            unit = random.choice(["days", "hours", "minutes", "seconds"])
            year, month, day, hour = random.randint(1700, 2100), random.randint(1, 12), random.randint(1, 28), random.choice([0, 6, 12])
            units = f"{unit} since {year}-{month:02d}-{day:02d} {hour:02d}:00:00"
            first = random.randint(-1000, 1000) * max(MICROS[grid], MICROS["seconds"] // 8)
            step = max(MICROS[grid], 250) * random.randint(1, 9)
            micros = [first + k * step for k in range(5)]
            whole = all(m % MICROS[unit] == 0 for m in micros)
            dtype = random.choice(["int32", "int64"]) if whole and random.random() < 0.7 else "float64"
            values = np.array([m // MICROS[unit] if dtype[0] == "i" else m / MICROS[unit] for m in micros], dtype=dtype)
            files.append((units, dtype, values))
        if len({(units, dtype) for units, dtype, _ in files}) == 1:
            continue
        reference = cftime.num2date(0, files[0][0], calendar=calendar)
        offsets = [[microseconds(d - reference) for d in cftime.num2date(v, u, calendar=calendar)] for u, _, v in files]
        unit = next(u for u in MICROS if all(o % MICROS[u] == 0 for file in offsets for o in file))
        counts = [[o // MICROS[unit] for o in file] for file in offsets]
        units = f"{unit} since {files[0][0].split(' since ')[1]}"
        dates = [[decode(v, u, calendar) for v in values] for u, _, values in files]
        assert dates == [[decode(np.int64(c), units, calendar) for c in file] for file in counts]
        yield {
            "calendar": calendar,
            "files": [
                {"units": u, "dtype": t, "values": [bits(x) if t[0] == "f" else int(x) for x in v]} for u, t, v in files
            ],
            "units": units,
            "counts": counts,
            "dates": dates,
        }


def ranges():
    for start, end, freq in [
        ("1981-09-01", "1981-09-30", "1D"), ("1981-09-01", "1990-12-31", "1MS"), ("1999-12-30", "2000-03-02", "5D"),
        ("2000-02-28 18:00", "2000-03-01 05:00", "6h"), ("1999-12-31 22:00", "2000-01-01 01:10", "30min"),
        ("1850-01-01", "2100-12-31", "1YS"), ("1850-01-01", "2100-12-31", "10YS"), ("1999-11-01", "2003-01-31", "3MS"),
        ("2000-01-01 00:00", "2000-01-01 00:01", "7s"), ("1900-01-01", "1900-12-31", "17D"),
    ]:
        starts = pd.date_range(start, end, freq=freq)
        # One offset added to each start, so that the last step has an end as well.
        ends = [(s + starts.freq) - timedelta(seconds=1) for s in starts]
        text = "%Y-%m-%d %H:%M:%S"
        yield {"start": start, "end": end, "freq": freq,
               "starts": [s.strftime(text) for s in starts], "ends": [e.strftime(text) for e in ends]}
    # pandas anchors weeks on a day of the week; plain addition from the start is what a pattern means.
    start, week = datetime(1999, 12, 29), timedelta(days=7)
    starts = [start + week * k for k in range(6)]
    text = "%Y-%m-%d %H:%M:%S"
    yield {"start": "1999-12-29", "end": "2000-02-03", "freq": "1W", "starts": [s.strftime(text) for s in starts],
           "ends": [(s + week - timedelta(seconds=1)).strftime(text) for s in starts]}


def formats():
    for _ in range(60):
        # strftime in C writes years before 1000 without leading zeros, and %y is two digits of a window.
        date = datetime(1969, 1, 1) + timedelta(seconds=random.randrange(0, 99 * 365 * 86400))
        for text in ["%Y%m%d%H%M%S", "%Y-%j %H:%M:%S", "%d%b%y_%H%M%S", "a%%b %B %d, %Y %S.%M.%H"]:
            written = date.strftime(text)
            assert datetime.strptime(written, text) == date
            yield {"format": text, "date": date.strftime("%Y-%m-%d %H:%M:%S"), "text": written}


json.dump(
    {
        "made_with": {"cftime": cftime.__version__, "numpy": np.__version__, "pandas": pd.__version__},
        "decodings": list(decodings()),
        "axes": list(axes()),
        "ranges": list(ranges()),
        "formats": list(formats()),
    },
    sys.stdout,
    separators=(",", ":"),
)
sys.stdout.write("\n")
