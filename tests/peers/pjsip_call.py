#!/usr/bin/env python3
"""A caller on PJSIP: speaks recordings and presses keys in turn, each once the other side has
finished, and keeps what it heard after each in a file of its own.

    pjsip_call.py URI FOLDER [OPTION]... STEP...

Options: --tcp or --tls; --codec NAME (PCMU, PCMA, G722); --srtp (with keys in the SDP); --info (keys
by INFO); --late-offer; --timer SECONDS (a session of that length, RFC 4028); --login USER:PASSWORD.

A step is `wav:FILE`, `keys:DIGITS`, `hold` (puts the other side on hold for 2 s and takes it back),
`hold:SECONDS`, `listen:SECONDS` (says nothing for at least so long, whatever is heard), or `move` (another leg takes this one's place by INVITE with Replaces). `cancel:N` as
the only step places N calls and gives each up before it can be answered. What was heard before the
first step is FOLDER/0.wav, after the first 1.wav, and so on. Prints one JSON object a line. Exits
with 1 if the call was not answered.
"""
import argparse
import json
import os
import re
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
        self.account = account
        self.moved = None
        self.up = False
        self.over = False
        self.media = None
        self.reason = ""
        self.tags = None
        self.refreshes = 0

    def onCallState(self, _):
        info = self.getInfo()
        self.reason = f"{info.lastStatusCode} {info.lastReason}"
        if info.state == pj.PJSIP_INV_STATE_CONFIRMED:
            self.up = True
        elif info.state == pj.PJSIP_INV_STATE_DISCONNECTED:
            self.over = True

    def onCallMediaState(self, _):
        self.media = self.getAudioMedia(-1)

    def onCallTransferRequest(self, request):
        # Followed, as a telephone does: the new call is reported to whoever asked.
        self.moved = Call(self.account)
        request.newCall = self.moved
        tell(event="asked to move")

    def onCallTsxState(self, event):
        change = event.e.body.tsxState
        if change.type != pj.PJSIP_EVENT_RX_MSG:
            return
        message = change.src.rdata.wholeMsg
        if message.startswith("SIP/2.0 200") and re.search(r"(?im)^CSeq:\s*\d+ UPDATE", message):
            self.refreshes += 1
        tags = [re.search(rf"(?im)^{name}:.*;tag=([^;\s]+)", message) for name in ("To", "From")]
        if message.startswith("SIP/2.0 200") and all(tags):
            # Of a response to us: theirs is in To, ours in From.
            self.tags = [tag.group(1) for tag in tags]


TRANSPORTS = {
    "udp": pj.PJSIP_TRANSPORT_UDP,
    "tcp": pj.PJSIP_TRANSPORT_TCP,
    "tls": pj.PJSIP_TRANSPORT_TLS,
}


class Caller:
    def __init__(self, options):
        self.options = options
        self.endpoint = pj.Endpoint()
        self.endpoint.libCreate()
        config = pj.EpConfig()
        config.logConfig.level = 1
        config.logConfig.consoleLevel = 1
        config.uaConfig.threadCnt = 0
        config.uaConfig.mainThreadOnly = True
        config.uaConfig.maxCalls = 32
        config.medConfig.noVad = True
        self.endpoint.libInit(config)
        transport = pj.TransportConfig()
        transport.boundAddress = "127.0.0.1"
        self.endpoint.transportCreate(TRANSPORTS[options.transport], transport)
        self.endpoint.libStart()
        self.endpoint.audDevManager().setNullDev()
        if options.codec:
            for codec in self.endpoint.codecEnum2():
                wanted = codec.codecId.startswith(options.codec + "/")
                self.endpoint.codecSetPriority(codec.codecId, 255 if wanted else 0)
        self.account = pj.Account()
        self.account.create(self.account_config())
        self.call = None
        self.folder = options.folder
        self.heard = 0

    def account_config(self):
        options = self.options
        account = pj.AccountConfig()
        account.idUri = "sip:5550123@127.0.0.1"
        account.mediaConfig.transportConfig.boundAddress = "127.0.0.1"
        if options.srtp:
            account.mediaConfig.srtpUse = pj.PJMEDIA_SRTP_MANDATORY
            # It is tried without TLS, too.
            account.mediaConfig.srtpSecureSignaling = 0
        if options.timer:
            account.callConfig.timerUse = pj.PJSUA_SIP_TIMER_ALWAYS
            account.callConfig.timerMinSESec = options.timer
            account.callConfig.timerSessExpiresSec = options.timer
        if options.login:
            user, _, password = options.login.partition(":")
            account.sipConfig.authCreds.append(pj.AuthCredInfo("digest", "*", user, 0, password))
        return account

    def place(self):
        self.call = Call(self.account)
        settings = pj.CallOpParam(True)
        if self.options.late_offer:
            settings.opt.flag = pj.PJSUA_CALL_NO_SDP_OFFER
        self.call.makeCall(self.options.uri, settings)

    def give_up(self, count):
        """Calls and hangs up: after the 100, and, every other time, after the 180."""
        for nth in range(count):
            call = Call(self.account)
            call.makeCall(self.options.uri, pj.CallOpParam(True))
            end = time.monotonic() + 10
            while nth % 2 and not call.over and time.monotonic() < end:
                if call.getInfo().state >= pj.PJSIP_INV_STATE_EARLY:
                    break
                self.endpoint.libHandleEvents(1)
            if not call.over:
                call.hangup(pj.CallOpParam())
            while not call.over and time.monotonic() < end:
                self.endpoint.libHandleEvents(1)
            tell(event="given up", over=call.over, reason=call.reason)
            call = None

    def move(self):
        """Another leg of ours takes the call's place (RFC 3891)."""
        old, (theirs, ours) = self.call, self.call.tags
        settings = pj.CallOpParam(True)
        for name, value in (
            ("Replaces", f"{old.getInfo().callIdString};to-tag={theirs};from-tag={ours}"),
            ("Require", "replaces"),
        ):
            header = pj.SipHeader()
            header.hName, header.hValue = name, value
            settings.txOption.headers.append(header)
        self.call = new = Call(self.account)
        new.makeCall(self.options.uri, settings)
        moved = self.wait_until(lambda: new.up and new.media is not None, 10)
        end = time.monotonic() + 10
        while not old.over and time.monotonic() < end:
            self.endpoint.libHandleEvents(int(FRAME_S * 1000))
        tell(event="moved", answered=moved, old_is_over=old.over, reason=new.reason)

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

    def hear(self, at_least_s=0):
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
            if now - start < at_least_s:
                continue
            if began and now - voiced_at >= GAP_S:
                break
            if not began and now - start >= WAIT_S:
                break
        if not self.call.over:
            self.call.media.stopTransmit(recorder)
        del recorder
        tell(event="heard", turn=self.heard, spoke=began is not None, file=path)
        self.heard += 1

    def press(self, key):
        if not self.options.info:
            self.call.dialDtmf(key)
            return
        param = pj.CallSendDtmfParam()
        param.digits = key
        param.method = pj.PJSUA_DTMF_METHOD_SIP_INFO
        self.call.sendDtmf(param)

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
                self.press(key)
                self.run_for(0.35)
        elif kind == "move":
            self.move()
        elif kind == "hold":
            self.call.setHold(pj.CallOpParam(True))
            self.run_for(float(what or 2.0))
            options = pj.CallOpParam(True)
            options.opt.flag = pj.PJSUA_CALL_UNHOLD
            self.call.reinvite(options)
            self.run_for(1.0)
        else:
            raise SystemExit(f"unknown step {step}")


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("uri")
    parser.add_argument("folder")
    parser.add_argument("--tcp", dest="transport", action="store_const", const="tcp", default="udp")
    parser.add_argument("--tls", dest="transport", action="store_const", const="tls")
    parser.add_argument("--codec")
    parser.add_argument("--srtp", action="store_true")
    parser.add_argument("--info", action="store_true")
    parser.add_argument("--late-offer", action="store_true")
    parser.add_argument("--timer", type=int)
    parser.add_argument("--login")
    parser.add_argument("steps", nargs="*")
    return parser.parse_intermixed_args()


def main():
    options = arguments()
    steps = options.steps
    caller = Caller(options)
    if steps and steps[0].startswith("cancel:"):
        caller.give_up(int(steps[0].partition(":")[2]))
        return 0
    caller.place()
    call = caller.call
    answered = caller.wait_until(lambda: call.up and call.media is not None, 20)
    tell(event="answered" if answered else "refused", reason=call.reason)
    if answered:
        caller.hear()
        for step in steps:
            if caller.call.over:
                break
            if step.startswith("listen:"):
                caller.hear(float(step.partition(":")[2]))
                continue
            caller.step(step)
            caller.hear()
        # Another leg may have taken its place.
        call = caller.call
        tell(event="refreshed", times=call.refreshes)
        if call.moved:
            tell(event="has moved", answered=call.moved.up, reason=call.moved.reason)
        if not call.over:
            call.hangup(pj.CallOpParam())
            caller.wait_until(lambda: call.over, 5)
            tell(event="hung up")
        else:
            tell(event="the other side hung up", reason=call.reason)
    # Neither the library nor the caller is taken down: it does not survive that where it has moved a
    # call. What is still to be said to the other side is said before.
    caller.endpoint.hangupAllCalls()
    for _ in range(10):
        caller.endpoint.libHandleEvents(100)
    sys.stdout.flush()
    os._exit(0 if answered else 1)


if __name__ == "__main__":
    sys.stdout.flush()
    code = main()
    sys.stdout.flush()
    # PJSIP's own threads end badly with the interpreter.
    os._exit(code)
