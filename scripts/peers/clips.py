"""The clips that `frontdoor bench peers` writes for everybody: 8 kHz, as they come off the line."""

import json
import wave
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soxr

RATE_HZ = 16_000


@dataclass
class Clip:
    """A recording with the words in it. `voiced_s` is where the voice ends."""

    path: Path
    words: str
    voiced_s: float

    def samples(self) -> np.ndarray:
        """The whole of it, 16 bits at 16 kHz, which is what the peers want."""
        with wave.open(str(self.path), "rb") as file:
            if file.getnchannels() != 1 or file.getsampwidth() != 2:
                raise SystemExit(f"{self.path}: must be mono with 16 bits")
            rate = file.getframerate()
            heard = np.frombuffer(file.readframes(file.getnframes()), dtype=np.int16)
        at_16k = soxr.resample(heard.astype(np.float32), rate, RATE_HZ)
        return np.clip(at_16k, -32768, 32767).astype(np.int16)


def read(listing: Path) -> list[Clip]:
    """Reads a list of clips; the paths in it begin at its folder."""
    rows = json.loads(listing.read_text())
    return [Clip(listing.parent / row["path"], row["words"], row["voiced_s"]) for row in rows]
