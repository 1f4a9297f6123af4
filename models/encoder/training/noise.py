"""Simulated errors of a speech recogniser: words that sound alike, left out or put in.

`Mishearing` does what frontdoor's evaluation does (engine/understanding/variation.rs; other random
numbers). `rough` is wider and is for training: letters, words run together, fillers.
"""
import random
import re

SHORT = ['a', 'and', 'the', 'to', 'i', 'it', 'is', 'in', 'of', 'that', 'you']
FILLERS = ['um', 'uh', 'so', 'well', 'like', 'yeah', 'you know', 'i mean']
VOWELS = set('aeiouy')
PAIRS = {'ph': 'f', 'ch': 'x', 'sh': 'x', 'ck': 'k', 'qu': 'k', 'gh': '', 'th': 't'}
ONE = {'c': 'k', 'k': 'k', 'q': 'k', 'g': 'k', 'x': 'k', 's': 's', 'z': 's', 'd': 't', 't': 't', 'b': 'p', 'p': 'p',
       'f': 'f', 'v': 'f', 'm': 'n', 'n': 'n', 'j': 'x', 'l': 'l', 'r': 'r'}


def words(text):
    text = text.replace('\u2019', "'")
    found = (w.strip("'").lower() for w in re.findall(r"[^\W_]+(?:'[^\W_]*)*|'", text))
    return [w for w in found if w]


def sound(word):
    key, at = '', 0
    while at < len(word):
        two, one = word[at:at + 2], word[at]
        if at == 0 and one in VOWELS:
            code, used = 'a', 1
        elif two in PAIRS:
            code, used = PAIRS[two], 2
        elif at == 0 and two in ('kn', 'wr'):
            code, used = two[1], 2
        elif one == 'c' and two[1:] in ('e', 'i', 'y'):
            code, used = 's', 1
        else:
            code, used = ONE.get(one, ''), 1
        if code and not key.endswith(code):
            key += code
        at += used
    return key


def within(a, b, allowed):
    """Whether the edit distance is at most this."""
    if abs(len(a) - len(b)) > allowed:
        return False
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
        if min(row) > allowed:
            return False
    return row[-1] <= allowed


class Mishearing:
    def __init__(self, texts):
        vocabulary = sorted({w for t in texts for w in words(t)})
        self.by_sound, self.by_start = {}, {}
        for w in vocabulary:
            key = sound(w)
            self.by_sound.setdefault(key, []).append(w)
            self.by_start.setdefault((key[:1], len(w)), []).append(w)
        self.known = {}

    def candidates(self, word):
        if word not in self.known:
            key = sound(word)
            found = [w for w in self.by_sound.get(key, ()) if w != word]
            if not found:
                allowed = 2 if len(word) >= 5 else 1
                found = [w for n in range(len(word) - allowed, len(word) + allowed + 1)
                         for w in self.by_start.get((key[:1], n), ()) if w != word and within(word, w, allowed)]
            self.known[word] = found
        return self.known[word]

    def confused(self, word, rnd):
        found = self.candidates(word)
        return rnd.choice(found) if found else rnd.choice(SHORT)

    def hear(self, text, share, rnd):
        heard = []
        for word in words(text):
            if rnd.random() >= share:
                heard.append(word)
                continue
            kind = rnd.random()
            if kind < 0.6:
                heard.append(self.confused(word, rnd))
            elif kind >= 0.85:
                heard += [word, rnd.choice(SHORT)]
        return ' '.join(heard)

    def rough(self, text, rnd):
        """For training: as above, at a share that varies, or with other damage."""
        share = rnd.choice([0.08, 0.12, 0.15, 0.2, 0.25])
        if rnd.random() < 0.6:
            return self.hear(text, share, rnd) or text
        heard = []
        for word in words(text):
            if rnd.random() >= share:
                heard.append(word)
                continue
            kind = rnd.randrange(6)
            if kind == 0 and len(word) > 3:
                at = rnd.randrange(len(word))
                heard.append(word[:at] + rnd.choice('aeioutnsrl') + word[at + 1:])
            elif kind == 1 and len(word) > 3:
                at = rnd.randrange(len(word))
                heard.append(word[:at] + word[at + 1:])
            elif kind == 2 and heard:
                heard[-1] += word
            elif kind == 3 and len(word) > 5:
                at = rnd.randrange(2, len(word) - 2)
                heard += [word[:at], word[at:]]
            elif kind == 4:
                heard += [rnd.choice(FILLERS), word]
            # else left out
        return ' '.join(heard) or text
