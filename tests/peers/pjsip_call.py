#!/usr/bin/env python3
"""A caller on PJSIP: speaks recordings and presses keys in turn, each once the other side has
finished, and keeps what it heard after each in a file of its own.

    pjsip_call.py URI FOLDER [--tcp] STEP...

A step is `wav:FILE`, `keys:DIGITS` or `hold` (puts the other side on hold for 2 s and takes it
back). What was heard before the first step is FOLDER/0.wav, after the first 1.wav, and so on.
Prints one JSON object a line. Exits with 1 if the call was not answered.
"""
import json
import os
import sys
import time
import wave

import pjsua2 as pj

FRAME_S = 0.02
# On PJMEDIA's scale of 0 to 255. A voice on a clean line is at 9 and above.
VOICED = 4
GAP_S = 1.1
WAIT_S = 15.0


def tell(**what):
    print(json.dumps(what), flush=True)


class Call(pj.Call):
    def __init__(self, account):
        super().__init__(account)
        self.up = False
        self.over = False
        self.media = None
        self.reason = ""

    def onCallState(self, _):
        info = self.getInfo()
        self.reason = f"{info.lastStatusCode} {info.lastReason}"
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.up = True
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True

    def onCallMediaState(self, _):
        self.media = self.getAudioMedia(-1)


class Caller:
    def __init__(self, uri, folder, tcp):
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = 1
        config.logConfig.consoleLevel = 1
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.medConfig.noVad = True
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        kind = pj.PJSIP_TRANSPORT_TCP if tcp else pj.PJSIP_TRANSPORT_UDP
        self.endpoint.transportCreate(kind, transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        account = pj.AccountConfig()
        account.idUri = "sip:5550123@127.0.0.1"
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        self.account = pj.Account()
        self.account.create(account)
        self.call = Call(self.account)
        self.folder = folder
        self.heard = 0
        self.call.makeCall(uri, pj.CallOpParam(True))

    def run_for(self, seconds):
        end = time.monotonic() + seconds
        while not self.call.over and time.monotonic() < end:
            self.endpoint.libHandleEvents(int(FRAME_S * 1000))

    def wait_until(self, holds, seconds):
        end = time.monotonic() + seconds
        while not self.call.over and time.monotonic() < end:
            if holds():
                return True
            self.endpoint.libHandleEvents(int(FRAME_S * 1000))
        return holds()

    def hear(self):
        """Records until the other side has spoken and been silent, or the call is over."""
        path = os.path.join(self.folder, f"{self.heard}.wav")
        recorder = pj.AudioMediaRecorder()
        recorder.createRecorder(path)
        self.call.media.startTransmit(recorder)
        began, voiced_at, start = None, None, time.monotonic()
        while not self.call.over:
            self.endpoint.libHandleEvents(int(FRAME_S * 1000))
            now = time.monotonic()
            if self.call.over:
                break
            if self.call.media.getTxLevel() > VOICED:
                began = began or now
                voiced_at = now
            if began and now - voiced_at >= GAP_S:
                break
            if not began and now - start >= WAIT_S:
                break
        if not self.call.over:
            self.call.media.stopTransmit(recorder)
        del recorder
        tell(event="heard", turn=self.heard, spoke=began is not None, file=path)
        self.heard += 1

    def step(self, step):
        kind, _, what = step.partition(":")
        tell(event="step", step=step)
        if kind == "wav":
            player = pj.AudioMediaPlayer()
            player.createPlayer(what, pj.PJMEDIA_FILE_NO_LOOP)
            player.startTransmit(self.call.media)
            with wave.open(what) as recording:
                self.run_for(recording.getnframes() / recording.getframerate())
            if not self.call.over:
                player.stopTransmit(self.call.media)
        elif kind == "keys":
            for key in what:
                self.call.dialDtmf(key)
                self.run_for(0.35)
        elif kind == "hold":
            self.call.setHold(pj.CallOpParam(True))
            self.run_for(2.0)
            options = pj.CallOpParam(True)
            options.opt.flag = pj.PJSUA_CALL_UNHOLD
            self.call.reinvite(options)
            self.run_for(1.0)
        else:
            raise SystemExit(f"unknown step {step}")


def main():
    arguments = [a for a in sys.argv[1:] if a != "--tcp"]
    uri, folder, steps = arguments[0], arguments[1], arguments[2:]
    caller = Caller(uri, folder, "--tcp" in sys.argv)
    call = caller.call
    answered = caller.wait_until(lambda: call.up and call.media is not None, 20)
    tell(event="answered" if answered else "refused", reason=call.reason)
    if answered:
        caller.hear()
        for step in steps:
            if call.over:
                break
            caller.step(step)
            caller.hear()
        if not call.over:
            call.hangup(pj.CallOpParam())
            caller.wait_until(lambda: call.over, 5)
            tell(event="hung up")
        else:
            tell(event="the other side hung up", reason=call.reason)
    # The call must be gone before the library is.
    caller.call = call = None
    caller.account.shutdown()
    caller.account = None
    caller.endpoint.libDestroy()
    return 0 if answered else 1


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    sys.stdout.flush()
    # PJSIP's own threads end badly with the interpreter.
    os._exit(code)
