#!/usr/bin/env python3
"""A caller on Linphone's console program: speaks one recording from the answer on and keeps what it
hears in FOLDER/heard.wav.

    linphone_call.py URI FOLDER RECORDING [OPTION]... STEP...

Options: --codec NAME (pcmu, pcma, g722, opus); --srtp sdes or dtls; --info (keys by INFO);
--password WORD (given when it is asked for it, for its name `linphone`).
A step is `wait:SECONDS`, `hold:SECONDS` (puts the other side on hold so long), `key:K`, or `cancel`
(gives the call up as soon as it rings). Ends when the other side does, or after the last step. Exits
with 1 if the call was not answered; with `cancel`, if it did not ring, or was not over afterwards.
"""
import argparse
import os
import queue
import subprocess
import sys
import threading
import time

# Name in SDP, clock, channels.
CODECS = [
    ("opus", 48000, 2),
    ("speex", 16000, 1),
    ("speex", 8000, 1),
    ("PCMU", 8000, 1),
    ("PCMA", 8000, 1),
    ("GSM", 8000, 1),
    ("G722", 8000, 1),
    ("iLBC", 8000, 1),
]


def settings(options):
    """Any port, no certificate checked, nothing asked of any server."""
    yield "[sip]"
    for port in ("sip_port", "sip_tcp_port", "sip_tls_port"):
        yield f"{port}=-1"
    yield from ("ipv6=0", "verify_server_certs=0", "verify_server_cn=0")
    yield f"media_encryption={'srtp' if options.srtp == 'sdes' else options.srtp or 'none'}"
    yield f"use_info={int(options.info)}"
    yield f"use_rfc2833={int(not options.info)}"
    yield from ("[net]", "firewall_policy=0", "[rtp]", "audio_rtp_port=31000-31998")
    yield from ("[storage]", "uri=null")
    for place, (name, clock, channels) in enumerate(CODECS):
        enabled = int(name.lower() == options.codec)
        yield f"[audio_codec_{place}]"
        yield from (f"mime={name}", f"rate={clock}", f"channels={channels}", f"enabled={enabled}")


class Phone:
    def __init__(self, folder, config):
        # It keeps a database in its home.
        home = dict(os.environ, HOME=folder)
        self.child = subprocess.Popen(
            ["linphonec", "-c", config],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            bufsize=1,
            env=home,
        )
        self.said = queue.Queue()
        threading.Thread(target=self.listen, daemon=True).start()
        self.over = False

    def listen(self):
        for line in self.child.stdout:
            self.said.put(line)
        self.said.put(None)

    def tell(self, command):
        print(">", command, flush=True)
        try:
            self.child.stdin.write(command + "\n")
            self.child.stdin.flush()
        except BrokenPipeError:
            self.over = True

    def until(self, words, seconds):
        """Waits for any of these words; gives the one that came, or None."""
        end = time.monotonic() + seconds
        while not self.over and time.monotonic() < end:
            try:
                line = self.said.get(timeout=max(0.01, end - time.monotonic()))
            except queue.Empty:
                break
            if line is None:
                self.over = True
                break
            print(line.rstrip(), flush=True)
            self.over = self.over or " ended (" in line or "terminated" in line
            for word in words:
                if word in line:
                    return word
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("folder")
    parser.add_argument("recording")
    parser.add_argument("--codec", default="pcmu")
    parser.add_argument("--srtp", choices=("sdes", "dtls"))
    parser.add_argument("--info", action="store_true")
    parser.add_argument("--password")
    parser.add_argument("steps", nargs="*")
    options = parser.parse_intermixed_args()
    folder = os.path.abspath(options.folder)
    config = os.path.join(folder, "linphonerc")
    with open(config, "w") as file:
        file.write("\n".join(settings(options)) + "\n")
    phone = Phone(folder, config)
    phone.tell("soundcard use files")
    phone.until(["Using wav files"], 10)
    phone.tell(f"record {os.path.join(folder, 'heard.wav')}")
    phone.tell(f"play {os.path.abspath(options.recording)}")
    phone.tell(f"call {options.uri}")
    if options.steps == ["cancel"]:
        rang = phone.until(["ringing", "connected"], 10)
        phone.tell("terminate")
        ended = phone.until([" ended (", "terminated", "Call 1 error", "declined"], 10)
        went_well = rang is not None and ended is not None
    else:
        if options.password:
            # Its question stands on a line that does not end before the answer.
            phone.until(["in progress"], 10)
            phone.until([], 1.0)
            phone.tell(options.password)
        established = "Media streams established"
        went_well = phone.until([established, "Call 1 error"], 20) == established
        for step in options.steps if went_well else []:
            kind, _, what = step.partition(":")
            if kind == "wait":
                phone.until([], float(what))
            elif kind == "hold":
                phone.tell("pause")
                phone.until([], float(what))
                phone.tell("resume 1")
            elif kind == "key":
                phone.tell(what)
            else:
                raise SystemExit(f"unknown step {step}")
        phone.tell("terminate")
        phone.until([" ended ("], 5)
    phone.tell("quit")
    try:
        phone.child.wait(5)
    except subprocess.TimeoutExpired:
        phone.child.kill()
    return 0 if went_well else 1


if __name__ == "__main__":
    sys.exit(main())
