#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""Draws the recorded session of README.md as an animated SVG: session.py README.md

The text is that of the block "console session", which a test replays; the
picture has no word of its own. Each command is typed, its output follows. Where
nothing moves (no CSS, or its reader wants it so) all of it is there at once. It
is light or dark as its reader's desktop is.
"""
import re
import sys
from xml.sax.saxutils import escape

COLUMNS, LINE, CHAR, PAD, BAR = 80, 20, 8.43, 16, 28
PER_CHAR, AFTER_COMMAND, PER_LINE, BETWEEN = 0.015, 0.25, 0.08, 0.4

STYLE = """
svg { color-scheme: light dark; }
.window { fill: #f6f8fa; stroke: #d0d7de; }
text { font: 14px ui-monospace, "DejaVu Sans Mono", Menlo, Consolas, monospace;
  fill: #1f2328; white-space: pre; }
.prompt { fill: #57606a; }
.alice { fill: #0550ae; font-weight: bold; }
.bob { fill: #116329; font-weight: bold; }
.command { font-weight: bold; }
.dot { fill: #d0d7de; }
@media (prefers-color-scheme: dark) {
  .window { fill: #0d1117; stroke: #30363d; }
  text { fill: #e6edf3; }
  .prompt { fill: #8b949e; }
  .alice { fill: #79c0ff; }
  .bob { fill: #7ee787; }
  .dot { fill: #30363d; }
}
@keyframes appear { from { fill-opacity: 0; } to { fill-opacity: 1; } }
.line { animation: appear 0.01s backwards; }
@media (prefers-reduced-motion: reduce) { .line { animation: none; } }
"""


def session(path):
    with open(path, encoding="utf-8") as f:
        block = re.search(r"^```console session\n(.*?)^```$", f.read(),
                          re.M | re.S)
    return block[1].rstrip("\n").expandtabs(8).split("\n")


def command(user, text, start):
    """A prompt, then characters that come one after the other."""
    out = [f'<tspan class="{user}">{user}</tspan>'
           f'<tspan class="prompt">$ </tspan>']
    for i, part in enumerate(re.findall(r"\S+\s*", text)):
        delay = start + PER_CHAR * sum(map(len, re.findall(r"\S+\s*", text)[:i]))
        out.append(f'<tspan class="command line" style="animation-delay:'
                   f'{delay:.2f}s">{escape(part)}</tspan>')
    return "".join(out)


def draw(lines):
    rows, now = [], 0.5
    for number, line in enumerate(lines):
        assert len(line) <= COLUMNS, f"wider than {COLUMNS}: {line}"
        y = BAR + PAD + LINE * number + 10
        prompt = re.match(r"(alice|bob)\$ (.*)$", line)
        shown = now
        if prompt:
            shown = now = now + (BETWEEN if number else 0)
            inside = command(prompt[1], prompt[2], now + 0.3)
            now += 0.3 + PER_CHAR * len(prompt[2]) + AFTER_COMMAND
        elif line.startswith("> "):
            inside = (f'<tspan class="prompt">&gt; </tspan>'
                      f'<tspan class="command">{escape(line[2:])}</tspan>')
            now += PER_CHAR * len(line)
        else:
            inside = escape(line)
            now += PER_LINE
        rows.append(f'<text class="line" x="{PAD}" y="{y}" style='
                    f'"animation-delay:{shown:.2f}s">{inside}</text>')
    width = round(COLUMNS * CHAR + 2 * PAD)
    height = BAR + 2 * PAD + LINE * len(lines)
    dots = "".join(f'<circle class="dot" cx="{PAD + 6 + 20 * i}" cy="{BAR / 2}"'
                   f' r="5"/>' for i in range(3))
    body = "\n".join(rows)
    return f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" \
height="{height}" viewBox="0 0 {width} {height}" role="img" \
aria-label="A terminal session, the same as in the text of README.md">
<style>{STYLE}</style>
<rect class="window" x="0.5" y="0.5" width="{width - 1}" \
height="{height - 1}" rx="8"/>
{dots}
{body}
</svg>"""


print(draw(session(sys.argv[1])))
