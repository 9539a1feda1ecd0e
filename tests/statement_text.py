"""The SQL text of a search with what every search repeats written short, so that a change of it is one change."""

import re

SETTINGS = "(SELECT pg_catalog.concat("
GIVEN = "FROM (VALUES (1)) AS given(one)"
REPEATED = {
    "(SELECT t.reltuples AS rows": "{what is known before}",
    "(SELECT coalesce(pg_catalog.sum(pg_catalog.pg_stat_get_xact_numscans": "{scans of its vector indexes}",
    "(SELECT CASE WHEN (pg_catalog.current_setting('track_counts', true) = 'on') THEN CAST(coalesce(pg_catalog.sum(": "{entries}",
    "(SELECT pg_catalog.count(DISTINCT pg_catalog.pg_get_indexdef(": "{columns that lead a plain index}",
    "coalesce((SELECT t.reltuples": "{rows}",
    "coalesce((SELECT pg_catalog.sum(t.reltuples": "{rows}",
}
"""How a part starts, and what is written for all of it."""


def compact(text):
    """Return SQL text with the settings, and what is asked of the catalog, written short."""
    for start in (SETTINGS, *REPEATED):
        at = text.find(start)
        while at >= 0:
            end = closing(text, text.index("(", at))
            part = text[at:end]
            if start == SETTINGS:
                end += len(" IS NOT NULL")
                text = f"{text[:at]}{{settings{condition(part)}}}{text[end:]}"
            else:
                text = text[:at] + REPEATED[start] + text[end:]
            at = text.find(start, at)
    return text


def settings_of(text):
    """Return every sub-select of settings in a text, whole."""
    return [text[match.start() : closing(text, match.start())] for match in re.finditer(re.escape(SETTINGS), text)]


def condition(settings):
    """Return what stands after FROM in a sub-select of settings."""
    given = re.search(re.escape(GIVEN).replace(r"\ ", r"\s+"), settings)
    assert given is not None, f"no FROM in {settings}"
    return re.sub(r"\s+", " ", settings[given.end() : -1])


def closing(text, opening):
    """Return the place after the parenthesis that closes the one at a place."""
    depth = 0
    for place in range(opening, len(text)):
        depth += (text[place] == "(") - (text[place] == ")")
        if depth == 0:
            return place + 1
    raise AssertionError(text)
