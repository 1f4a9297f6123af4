"""Transcribes clips with faster-whisper and says how long each took and how much of a core.

One clip at a time on an otherwise idle process, after a warm-up that is not counted. Prints JSON.
"""

import argparse
import json
import os
import sys
import time
from pathlib import Path


def options(how: str) -> dict:
    """`default` is the library as it comes (beam of 5); `fast` is what somebody would choose who
    wants an answer soon: greedy, one try, no timestamps."""
    if how == "default":
        return {}
    return {
        "beam_size": 1,
        "temperature": 0.0,
        "without_timestamps": True,
        "condition_on_previous_text": False,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--how", choices=["default", "fast"], default="default")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(arguments.threads)

    # Only now: the libraries look at the environment when they are loaded.
    import faster_whisper

    import clips
    import weights

    folder = weights.folder(arguments.model, arguments.store)
    model = faster_whisper.WhisperModel(
        str(folder), device="cpu", compute_type="int8", cpu_threads=arguments.threads
    )
    said = clips.read(arguments.clips)

    def hear(samples):
        audio = samples.astype("float32") / 32768.0
        segments, _ = model.transcribe(audio, language="en", **options(arguments.how))
        # The work is done as the segments are asked for.
        return "".join(segment.text for segment in segments).strip()

    if said:
        hear(said[0].samples())
    heard = []
    for clip in said:
        samples = clip.samples()
        began, cpu = time.perf_counter(), time.process_time()
        text = hear(samples)
        heard.append(
            {
                "text": text,
                "wall_s": time.perf_counter() - began,
                "cpu_s": time.process_time() - cpu,
            }
        )
    version = faster_whisper.__version__
    name = f"faster-whisper {version} int8, {arguments.how}, threads: {arguments.threads}"
    json.dump({"name": name, "model": arguments.model, "clips": heard}, sys.stdout)


if __name__ == "__main__":
    main()
