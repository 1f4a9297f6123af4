#!/usr/bin/env python3
"""A caller in a browser, without one: offers a call by HTTP as a page does (RFC 9725), speaks a
recording and keeps what it hears.

    aiortc_call.py BASE_URL [--to NUMBER] [--speak WAV] [--out WAV] [--seconds N] [--after SECONDS]
                   [--token WORD] [--keys KEYS] [--no-hang-up] [--insecure]

BASE_URL is where the pages are, `http://127.0.0.1:9090`. The recording is spoken AFTER seconds after
the call has come about (default 4), keys are pressed then, too; after N seconds in all (default 20)
the call is hung up. Prints one JSON object with how it went and what was told of the call. Exits with
1 if it was not answered or did not connect. Needs the package aiortc (1.9 or later).
"""
import argparse
import asyncio
import fractions
import json
import math
import ssl
import struct
import sys
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
import wave

try:
    import av
    from aiortc import MediaStreamTrack, RTCPeerConnection, RTCSessionDescription
    from aiortc.mediastreams import MediaStreamError
except ImportError as error:
    sys.exit(f"aiortc is missing ({error}): pip install aiortc")

RATE = 48000
FRAME = RATE // 50
# What is kept is for a recogniser, or for ears.
OUT_RATE = 16000
# A connection takes far less.
CONNECT_LIMIT_S = 20


def read_wav(path):
    """The recording as 16 bit mono at 48 kHz."""
    with av.open(path) as container:
        resampler = av.AudioResampler(format="s16", layout="mono", rate=RATE)
        pieces = []
        for frame in container.decode(audio=0):
            pieces += [bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(frame)]
        pieces += [bytes(out.planes[0])[: out.samples * 2] for out in resampler.resample(None)]
    return b"".join(pieces)


class Voice(MediaStreamTrack):
    """Speaks a recording when it is told to, and is silent otherwise."""

    kind = "audio"

    def __init__(self, samples):
        super().__init__()
        self.samples = samples
        self.at = None
        self.sent = 0
        self.began = None

    def speak(self):
        self.at = 0

    def is_speaking(self):
        return self.at is not None and self.at < len(self.samples)

    async def recv(self):
        if self.began is None:
            self.began = time.monotonic()
        wait = self.began + self.sent / 50 - time.monotonic()
        if wait > 0:
            await asyncio.sleep(wait)
        piece = b""
        if self.is_speaking():
            piece = self.samples[self.at : self.at + FRAME * 2]
            self.at += FRAME * 2
        frame = av.AudioFrame(format="s16", layout="mono", samples=FRAME)
        frame.planes[0].update(piece.ljust(FRAME * 2, b"\0"))
        frame.sample_rate = RATE
        frame.time_base = fractions.Fraction(1, RATE)
        frame.pts = self.sent * FRAME
        self.sent += 1
        return frame


class Ear:
    """Keeps what comes."""

    def __init__(self):
        self.samples = bytearray()
        self.frames = 0

    async def listen(self, track):
        resampler = av.AudioResampler(format="s16", layout="mono", rate=OUT_RATE)
        while True:
            try:
                frame = await track.recv()
            except MediaStreamError:
                return
            self.frames += 1
            for out in resampler.resample(frame):
                self.samples += bytes(out.planes[0])[: out.samples * 2]

    def loudest_dbfs(self):
        """Of 100 ms."""
        window, best = OUT_RATE // 10, 0.0
        count = len(self.samples) // 2
        values = struct.unpack(f"<{count}h", bytes(self.samples[: count * 2]))
        for start in range(0, count - window, window):
            part = values[start : start + window]
            best = max(best, math.sqrt(sum(value * value for value in part) / window))
        return round(20 * math.log10(best / 32768), 1) if best > 0 else None

    def write(self, path):
        with wave.open(path, "wb") as out:
            out.setnchannels(1)
            out.setsampwidth(2)
            out.setframerate(OUT_RATE)
            out.writeframes(bytes(self.samples))


class Door:
    """The HTTP side of the front door."""

    def __init__(self, options):
        self.base = options.base_url.rstrip("/")
        self.token = options.token
        self.context = None
        if options.insecure:
            self.context = ssl.create_default_context()
            self.context.check_hostname = False
            self.context.verify_mode = ssl.CERT_NONE

    def open(self, method, path, body=None, kind=None, limit_s=30):
        request = urllib.request.Request(self.base + path, data=body, method=method)
        if kind:
            request.add_header("Content-Type", kind)
        if self.token:
            request.add_header("Authorization", f"Bearer {self.token}")
        return urllib.request.urlopen(request, timeout=limit_s, context=self.context)

    def offer(self, sdp, to):
        path = "/api/call" + (f"?to={urllib.parse.quote(to)}" if to else "")
        with self.open("POST", path, sdp.encode(), "application/sdp") as response:
            return response.headers["Location"], response.read().decode()

    def watch(self, location, told):
        """Notes what is told of the call, until it is over."""
        try:
            with self.open("GET", location + "/events", limit_s=600) as response:
                for line in response:
                    if line.startswith(b"data:"):
                        told.append(json.loads(line[5:]))
        except (OSError, ValueError) as error:
            told.append({"error": str(error)})


async def until_over(seconds, connection):
    """Waits so long, or until the other side is gone."""
    end = time.monotonic() + seconds
    while time.monotonic() < end and connection.connectionState == "connected":
        await asyncio.sleep(0.05)


async def call(options):
    result = {"answered": False, "connected": False}
    voice = Voice(read_wav(options.speak) if options.speak else b"")
    ear, door, told = Ear(), Door(options), []
    connection = RTCPeerConnection()
    connected = asyncio.Event()
    listening = []

    @connection.on("track")
    def on_track(track):
        listening.append(asyncio.ensure_future(ear.listen(track)))

    @connection.on("connectionstatechange")
    def on_change():
        if connection.connectionState == "connected":
            connected.set()

    connection.addTrack(voice)
    # Waits for all addresses: there is one request, and nothing after it.
    await connection.setLocalDescription(await connection.createOffer())
    began = time.monotonic()
    try:
        location, answer = await asyncio.to_thread(
            door.offer, connection.localDescription.sdp, options.to
        )
    except urllib.error.HTTPError as error:
        result["status"], result["error"] = error.code, error.read().decode(errors="replace")
        await connection.close()
        return result
    except OSError as error:
        result["error"] = str(error)
        await connection.close()
        return result
    result.update(answered=True, answered_ms=round((time.monotonic() - began) * 1000))
    result.update(location=location, setup=find(answer, "a=setup:"), answer_sdp=answer)
    threading.Thread(target=door.watch, args=(location, told), daemon=True).start()
    try:
        await connection.setRemoteDescription(RTCSessionDescription(answer, "answer"))
        await asyncio.wait_for(connected.wait(), CONNECT_LIMIT_S)
        result.update(connected=True, connected_ms=round((time.monotonic() - began) * 1000))
        await until_over(options.after, connection)
        if options.keys:
            body = json.dumps({"keys": options.keys}).encode()
            path, kind = location + "/keys", "application/json"
            await asyncio.to_thread(lambda: door.open("POST", path, body, kind).close())
        voice.speak()
        await until_over(options.seconds - options.after, connection)
        result["stayed"] = connection.connectionState == "connected"
    except asyncio.TimeoutError:
        result["error"] = f"not connected within {CONNECT_LIMIT_S} s"
    except urllib.error.HTTPError as error:
        result["error"] = f"keys: {error.code} {error.read().decode(errors='replace')}"
    if not options.no_hang_up:
        result["hung_up"] = await asyncio.to_thread(hang_up, door, location)
    await connection.close()
    for task in listening:
        task.cancel()
    result.update(heard_frames=ear.frames, heard_s=round(len(ear.samples) / 2 / OUT_RATE, 2))
    result.update(loudest_dbfs=ear.loudest_dbfs(), told=told)
    if options.out:
        ear.write(options.out)
        result["heard"] = options.out
    return result


def hang_up(door, location):
    """Gives the status."""
    try:
        with door.open("DELETE", location) as response:
            return response.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError as error:
        return str(error)


def find(text, beginning):
    lines = [line for line in text.splitlines() if line.startswith(beginning)]
    return lines[0][len(beginning) :] if lines else None


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("base_url")
    parser.add_argument("--to", default="")
    parser.add_argument("--speak", metavar="WAV")
    parser.add_argument("--out", metavar="WAV")
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--after", type=float, default=4)
    parser.add_argument("--token")
    parser.add_argument("--keys")
    parser.add_argument("--no-hang-up", action="store_true")
    parser.add_argument("--insecure", action="store_true")
    result = asyncio.run(call(parser.parse_args()))
    print(json.dumps(result), flush=True)
    sys.exit(0 if result["connected"] else 1)


if __name__ == "__main__":
    main()
