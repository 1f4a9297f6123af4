#!/usr/bin/env python3
"""Prints the table of tests/fixtures/interop.toml.

    interop_table.py names [--quick]        the tests that stand in it, one a line
    interop_table.py ours [--quick]         those of the library among its rows
    interop_table.py print [--quick] LOG... the table, with what `cargo test` wrote into these files

A cell is "passes", "peer lacks it", or the reason, whose words stand below the table. Exits with 1 if
a test of the table failed or was not run.
"""
import re
import sys
import textwrap
import tomllib
from pathlib import Path

TABLE = Path(__file__).parent.parent / "fixtures" / "interop.toml"


def results(logs):
    """By test: "ok", or the first words of what it said when it failed."""
    found = {}
    for log in logs:
        text = Path(log).read_text(errors="replace")
        for name, result in re.findall(r"^test (\S+) \.\.\. (ok|FAILED)$", text, re.M):
            found[name] = result
        for part in re.split(r"^---- ", text, flags=re.M)[1:]:
            head, _, said = part.partition(" stdout ----\n")
            _, _, after = said.partition("panicked at")
            # Behind the place stand the words, on lines of their own.
            words = [line.strip() for line in after.splitlines()[1:] if line.strip()]
            found[head] = words[0][:200] if words else "failed"
    return found


def main():
    arguments = sys.argv[1:]
    is_quick = "--quick" in arguments
    arguments = [argument for argument in arguments if argument != "--quick"]
    if not arguments or arguments[0] not in ("names", "ours", "print"):
        raise SystemExit(__doc__)
    table = tomllib.loads(TABLE.read_text())
    peers = table["peers"]
    rows = [row for row in table["row"] if row.get("quick") or not is_quick]
    if arguments[0] != "print":
        ours = {row["ours"] for row in rows if "ours" in row}
        cells = [row[peer] for row in rows for peer in peers if peer in row]
        names = {cell["test"] for cell in cells if "test" in cell}
        for name in sorted(names if arguments[0] == "names" else ours):
            print(name)
        return 0
    known = results(arguments[1:])
    notes, failed = [], 0

    def note(words):
        if words not in notes:
            notes.append(words)
        return notes.index(words) + 1

    def cell(cell):
        nonlocal failed
        if cell is None:
            return "-"
        if "lacks" in cell:
            return f"peer lacks it ({note(cell['lacks'])})"
        if "open" in cell:
            return f"not tried ({note(cell['open'])})"
        result = known.get(cell["test"], "was not run")
        if result == "ok":
            return "passes"
        failed += 1
        return f"FAILS ({note(cell['test'] + ': ' + result)})"

    lines = [["", *peers]]
    with_peers = [row for row in rows if any(peer in row for peer in peers)]
    lines += [[row["name"], *(cell(row.get(peer)) for peer in peers)] for row in with_peers]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        print("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip())
    for row in rows:
        if "ours" in row:
            print(f"by ourselves: {row['name']}: {cell({'test': row['ours']})}")
    print()
    for number, words in enumerate(notes, 1):
        print(textwrap.fill(f"({number}) {words}", 100, subsequent_indent="    "))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
