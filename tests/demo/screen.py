# SPDX-License-Identifier: MIT
"""screen.py – what the demo shows: the transcript while it is spoken, word by
word, then tables. Plain lines where standard output is no terminal."""

import os
import shutil
import sys
import threading
import time

STYLES = {"bold": "1", "dim": "2", "phone": "2", "caller": "36", "voice": "33",
          "good": "32", "bad": "31", "tool": "35", "cut": "31"}
GUTTER = 17             # columns before the words
POLL_SECONDS = 0.04


class Screen:
    """Standard output, or any other text stream."""

    def __init__(self, out=None):
        self.out = out or sys.stdout
        self.tty = self.out.isatty()
        self.colour = self.tty and "NO_COLOR" not in os.environ \
            and os.environ.get("TERM") != "dumb"
        self.width = min(100, shutil.get_terminal_size((96, 24)).columns)
        self._column = 0

    def style(self, name, text):
        return f"\x1b[{STYLES[name]}m{text}\x1b[0m" \
            if self.colour and text else text

    def write(self, text):
        self.out.write(text)
        if self.tty:
            self.out.flush()

    def line(self, text=""):
        self.write(text + "\n")
        self.out.flush()

    def heading(self, text):
        self.line()
        self.line(self.style("bold", text))

    def row(self, label, text, indent=22):
        """A row of a table; long text goes on below itself."""
        self.write(f"  {label:<{indent - 2}}")
        self.paragraph(text, indent)

    def point(self, happened, text):
        """Something that happened, or did not."""
        self.write("  " + (self.style("good", "✓ ") if happened else
                           self.style("bad", "✗ failed: ")))
        self.paragraph(text, 4 if happened else 12)

    def paragraph(self, text, indent):
        self._column = indent
        for line in text.split("\n"):
            self.words(line.split(" "), indent)
            self._column = self.width
        self.line()

    def at(self, seconds):
        """'00:12.3', the time in the call."""
        minutes, rest = divmod(max(0, seconds), 60)
        return f"{int(minutes):02d}:{rest:04.1f}"

    def speaker(self, seconds, who):
        self.write(f" {self.style('dim', self.at(seconds))}  "
                   f"{self.style(who, f'{who:<7}')} ")
        self._column = GUTTER

    def words(self, words, indent=GUTTER, style=None):
        """More words of a line, wrapped at the right edge."""
        for word in words:
            room = 0 if self._column == indent else 1
            if self._column + room + len(word) > self.width and room:
                self.write("\n" + " " * indent)
                self._column, room = indent, 0
            self.write(" " * room + (self.style(style, word) if style
                                     else word))
            self._column += room + len(word)


class Narrator(threading.Thread):
    """Prints what happens while it happens, one line at a time: what begins
    while a line is open waits for its end, the earliest first."""

    def __init__(self, screen, zero_ns, hearing):
        super().__init__(name="narrator", daemon=True)
        self.screen, self.zero_ns, self.hearing = screen, zero_ns, hearing
        self.error = None
        self._told = 0              # utterances of hearing already queued
        self._lines = []            # (begins at ns, generator), waiting
        self._open = None           # the generator that prints its line
        self._lock = threading.Lock()
        self._done = threading.Event()

    def seconds(self, t_ns):
        return (t_ns - self.zero_ns) / 1e9

    # What others report

    def note(self, t_ns, who, text):
        """A line that is complete at once."""
        self._add(t_ns, self._note(t_ns, who, text))

    def says(self, clip, text):
        """The caller's clip, word by word."""
        self._add(time.monotonic_ns() + _lead_ns(clip),
                  self._says(clip, text))

    def block(self, lines):
        """Lines of somebody else, from now."""
        self._add(time.monotonic_ns(), self._block(lines))

    def finish(self):
        """Print what is left, and end."""
        self._done.set()
        if self.is_alive():
            self.join()

    # The lines

    def _add(self, t_ns, line):
        with self._lock:
            self._lines.append((t_ns, line))

    def _next(self):
        """The line that began first of those that wait, or None."""
        with self._lock:
            if not self._lines:
                return None
            first = min(self._lines, key=lambda line: line[0])
            self._lines.remove(first)
            return first[1]

    def _note(self, t_ns, who, text):
        self.screen.speaker(self.seconds(t_ns), who)
        self.screen.words(text.split(" "))
        self.screen.line()
        yield from ()

    def _block(self, lines):
        for line in lines:
            self.screen.line(self.screen.style("dim", "   | ") + line)
        yield from ()

    def _says(self, clip, text):
        words, told = text.split(" "), 0
        lead_ns = _lead_ns(clip)
        length_ns = len(clip.audio.strip(clip.audio[-1:])) * 125_000
        while not clip.start_ns or time.monotonic_ns() < \
                clip.start_ns + lead_ns:
            if self._done.is_set():
                return
            yield
        begin_ns = clip.start_ns + lead_ns
        self.screen.speaker(self.seconds(begin_ns), "caller")
        while told < len(words):
            share = (time.monotonic_ns() - begin_ns) / length_ns
            upto = len(words) if self._done.is_set() else \
                min(len(words), 1 + int(share * len(words)))
            self.screen.words(words[told:upto])
            told = upto
            yield
        self.screen.line()

    def _hears(self, utterance):
        words, told = utterance.text.split(), 0
        self.screen.speaker(self.seconds(utterance.start_ns), "voice")
        while True:
            over = utterance.over or self._done.is_set()
            upto = max(told, utterance.words_heard)
            self.screen.words(words[told:upto])
            told = upto
            if over:
                break
            yield
        if utterance.cut:
            self.screen.words(words[told:], style="dim")
            self.screen.words(
                f"✂ interrupted: {utterance.heard_ms / 1000:.1f} of "
                f"{utterance.duration_ms / 1000:.1f} s heard".split(" "),
                style="cut")
        self.screen.line()

    def run(self):
        try:
            while not self._done.wait(POLL_SECONDS):
                self._step()
            self._step()
        except Exception as error:
            self.error = error

    def _step(self):
        self.hearing.update()
        for utterance in self.hearing.utterances[self._told:]:
            self._add(utterance.start_ns, self._hears(utterance))
            self._told += 1
        self._open = self._open or self._next()
        while self._open:
            try:
                next(self._open)
            except StopIteration:
                self._open = self._next()
            else:
                if not self._done.is_set():
                    return


def _lead_ns(clip):
    """Silence at the beginning of a clip."""
    quiet = clip.audio[:1]
    return (len(clip.audio) - len(clip.audio.lstrip(quiet))) * 125_000
