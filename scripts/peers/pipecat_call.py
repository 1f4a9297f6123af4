"""A call with a Pipecat pipeline: the caller's clips go in frame by frame in real time, and what
comes out of its transport is timed. Prints JSON.

The pipeline is Silero, faster-whisper, Smart Turn v3 and Piper with the voice that frontdoor uses,
all in this process. Nothing has to be understood: every turn is answered with one fixed sentence,
which spares this side the work of understanding and of choosing words.
"""

import argparse
import asyncio
import json
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
from loguru import logger
from pipecat.audio.vad.silero import SileroVADAnalyzer
from pipecat.frames.frames import (
    EndFrame,
    Frame,
    InputAudioRawFrame,
    OutputAudioRawFrame,
    StartFrame,
    TranscriptionFrame,
    TTSSpeakFrame,
    UserStoppedSpeakingFrame,
)
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.audio.vad_processor import VADProcessor
from pipecat.processors.frame_processor import FrameDirection, FrameProcessor
from pipecat.services.piper.tts import PiperTTSService
from pipecat.services.whisper.stt import WhisperSTTService
from pipecat.transports.base_input import BaseInputTransport
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.turns.user_turn_processor import UserTurnProcessor
from pipecat.workers.runner import WorkerRunner

import clips
import weights

FRAME_S = 0.02
FRAME_LEN = int(clips.RATE_HZ * FRAME_S)
# A frame above this level is voiced, as for frontdoor's own caller.
VOICED_DBFS = -42.0
ANSWER = "Thank you, let me look into that for you."


def level_dbfs(samples: np.ndarray) -> float:
    rms = np.sqrt(np.mean(np.square(samples.astype(np.float64)))) / 32767.0 if len(samples) else 0.0
    return 20.0 * np.log10(rms) if rms > 1e-5 else -100.0


class Ear:
    """When the other side was voiced first and last."""

    def __init__(self) -> None:
        self.began: float | None = None
        self.latest: float | None = None

    def hear(self, audio: bytes) -> None:
        now = time.perf_counter()
        if level_dbfs(np.frombuffer(audio, dtype=np.int16)) > VOICED_DBFS:
            self.began = now if self.began is None else self.began
            self.latest = now

    def forget(self) -> None:
        self.began = None

    def silent_for(self) -> float:
        return float("inf") if self.latest is None else time.perf_counter() - self.latest


class Microphone(BaseInputTransport):
    """Takes the caller's frames."""

    def __init__(self, params: TransportParams) -> None:
        super().__init__(params)
        self.ready = asyncio.Event()

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)
        self.ready.set()

    async def hear(self, samples: np.ndarray) -> None:
        audio = samples.tobytes()
        await self.push_audio_frame(
            InputAudioRawFrame(audio=audio, sample_rate=clips.RATE_HZ, num_channels=1)
        )


class Loudspeaker(BaseOutputTransport):
    """Times what leaves, and takes as long for it as it lasts, as a telephone does."""

    def __init__(self, params: TransportParams, ear: Ear) -> None:
        super().__init__(params)
        self._ear = ear
        self._free_at = 0.0

    async def start(self, frame: StartFrame) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def write_audio_frame(self, frame: OutputAudioRawFrame) -> bool:
        self._ear.hear(frame.audio)
        now = time.perf_counter()
        lasts = len(frame.audio) / 2 / frame.sample_rate
        self._free_at = max(self._free_at, now) + lasts
        await asyncio.sleep(self._free_at - now)
        return True


class Answerer(FrameProcessor):
    """Answers each turn of which words were heard with one sentence."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    async def process_frame(self, frame: Frame, direction: FrameDirection) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TranscriptionFrame):
            self.heard.append(frame.text.strip())
        await self.push_frame(frame, direction)
        if isinstance(frame, UserStoppedSpeakingFrame) and direction is FrameDirection.DOWNSTREAM:
            await self.push_frame(TTSSpeakFrame(ANSWER))


class Caller:
    """Plays clips and silence in real time, never late by more than a frame."""

    def __init__(self, microphone: Microphone, ear: Ear) -> None:
        self._microphone = microphone
        self._ear = ear
        self._due = time.perf_counter()

    async def frame(self, samples: np.ndarray | None = None) -> None:
        self._due += FRAME_S
        await asyncio.sleep(max(0.0, self._due - time.perf_counter()))
        silence = np.zeros(FRAME_LEN, dtype=np.int16)
        await self._microphone.hear(silence if samples is None else samples)

    async def quiet(self, gap_s: float, limit_s: float = 20.0) -> None:
        """Waits until the other side has been silent for a while."""
        end = time.perf_counter() + limit_s
        while self._ear.silent_for() < gap_s and time.perf_counter() < end:
            await self.frame()

    async def say(self, clip: clips.Clip, wait_s: float) -> dict:
        samples = clip.samples()
        frames = max(1, round(clip.voiced_s / FRAME_S))
        self._ear.forget()
        for index in range(frames):
            piece = samples[index * FRAME_LEN : (index + 1) * FRAME_LEN]
            await self.frame(np.pad(piece, (0, FRAME_LEN - len(piece))))
            if self._ear.began is not None and index + 1 < frames:
                return {"outcome": "cut_off", "left_s": (frames - 1 - index) * FRAME_S}
        ended = time.perf_counter()
        while self._ear.began is None:
            if time.perf_counter() - ended >= wait_s:
                return {"outcome": "silent"}
            await self.frame()
        return {"outcome": "answered", "latency_s": self._ear.began - ended}


async def call(arguments: argparse.Namespace) -> dict:
    params = TransportParams(audio_in_enabled=True, audio_out_enabled=True)
    ear = Ear()
    microphone, loudspeaker = Microphone(params), Loudspeaker(params, ear)
    folder = weights.folder(arguments.model, arguments.store)
    tuned = {} if arguments.words_wait_s is None else {"ttfs_p99_latency": arguments.words_wait_s}
    answerer = Answerer()
    pipeline = Pipeline(
        [
            microphone,
            VADProcessor(vad_analyzer=SileroVADAnalyzer()),
            WhisperSTTService(
                device="cpu",
                compute_type="int8",
                settings=WhisperSTTService.Settings(model=str(folder)),
                **tuned,
            ),
            UserTurnProcessor(),
            answerer,
            PiperTTSService(
                download_dir=arguments.voice.parent,
                settings=PiperTTSService.Settings(voice=arguments.voice.stem),
            ),
            loudspeaker,
        ]
    )
    worker = PipelineWorker(
        pipeline,
        params=PipelineParams(audio_in_sample_rate=clips.RATE_HZ, audio_out_sample_rate=8_000),
        idle_timeout_secs=None,
        enable_rtvi=False,
    )
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(worker)
    running = asyncio.create_task(runner.run())
    await asyncio.wait_for(microphone.ready.wait(), 60)

    caller = Caller(microphone, ear)
    said = clips.read(arguments.clips)
    turns = []
    # The first turn warms the models up and is not counted.
    for index, clip in enumerate(said[:1] + said):
        await caller.quiet(1.0)
        answerer.heard.clear()
        cpu, began = time.process_time(), time.perf_counter()
        turn = await caller.say(clip, arguments.wait_s)
        await caller.quiet(1.0)
        took = {"cpu_s": time.process_time() - cpu, "wall_s": time.perf_counter() - began}
        if index > 0:
            turns.append({**turn, **took, "text": " ".join(answerer.heard)})
    await worker.queue_frame(EndFrame())
    await asyncio.wait_for(running, 30)
    how = "as it comes" if arguments.words_wait_s is None else "not waiting for more words"
    return {"name": f"pipecat-ai {version('pipecat-ai')}, {how}", "model": arguments.model, "turns": turns}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True)
    parser.add_argument("--model", default="tiny.en")
    parser.add_argument("--store", type=Path, required=True)
    parser.add_argument("--voice", type=Path, required=True, help="the voice's .onnx file")
    parser.add_argument("--wait-s", type=float, default=10.0, help="longest wait for an answer")
    parser.add_argument(
        "--words-wait-s",
        type=float,
        help="what Pipecat is told about how late the words come after the voice (ttfs_p99_latency)",
    )
    arguments = parser.parse_args()
    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    json.dump(asyncio.run(call(arguments)), sys.stdout)


if __name__ == "__main__":
    main()
