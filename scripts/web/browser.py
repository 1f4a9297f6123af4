#!/usr/bin/env python3
"""Drives Chromium as callers and agents use it, for tests: one JSON object a line on what happens.

    browser.py call --base URL [OPTION]... STEP...
    browser.py desk --base URL --name NAME --password WORD [OPTION]... STEP...
    browser.py screenshots --base URL --out FOLDER [--name NAME --password WORD]
    browser.py axe --base URL --axe axe.min.js [--name NAME --password WORD]
    browser.py weights --base URL --name NAME --password WORD

`call` opens the caller's page and presses its button, `desk` signs in and opens the desk. Both keep
what is heard in --out (WAV, 16 kHz), and speak either by the browser's own fake microphone, which
plays --audio once from the moment the page opens it, or, without it, by steps (`say:FILE`), and are silent otherwise.

Steps of both: say:FILE (once the other side has spoken and is silent), turn (until the other side has spoken and
is silent), wait:SECONDS, caption:REGEX (until a line like that is shown), shot:FILE.png, faults (looks for faults of accessibility, needs --axe), crash
(the browser is gone, as if killed).
Steps of `call`: phase:NAME (until the page shows it), keys:DIGITS, mute, unmute, hang-up, ended.
Steps of `desk`: ready, offer (until one is shown; tells what of it), take, phone, decline, part:NAME
(offer, call, wrap or idle), status:REGEX (until the line below the caller's name is like that), press:KEY (a shortcut), hang-up, type:TEXT (where the cursor is), choose:TEXT (in
the dialog that is open), done, reload, replaced.

`axe` looks for faults of accessibility on every page, in both themes, and exits with 1 if there are
any. `weights` measures what the desk loads and when it is first painted.

Needs chromium and chromium-driver, and selenium from PyPI: scripts/web/browser installs them.
"""
import argparse
import base64
import json
import os
import re
import signal
import sys
import time
import wave

from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

RATE = 16_000
WAIT_S = 60.0
POLL_S = 0.1
# So long without a voice, and the other side has finished.
GAP_S = 1.1
DESK_BYTES_MAX = 120 * 1024
STAFF_PAGES = [
    "/desk", "/supervisor", "/ops#live", "/ops#today", "/ops#records", "/ops#accounts", "/ops#tokens", "/ops#audit",
]
OPEN_PAGES = ["/", "/sign-in", "/call"]

# Runs in each page before its own scripts: keeps what peer connections bring, notes what is shown,
# and puts what is to be said where the microphone would be.
INJECTED = """
(() => {
  const heard = window.frontdoor = { chunks: [], loudAt: -1, spoke: false, shown: [], saying: false };
  let context = null;
  const audio = () => context ??= new AudioContext({ sampleRate: %(rate)d });
  const tap = (track) => {
    const source = audio().createMediaStreamSource(new MediaStream([track]));
    const node = audio().createScriptProcessor(1024, 1, 1);
    node.onaudioprocess = (event) => {
      const samples = event.inputBuffer.getChannelData(0);
      const pcm = new Int16Array(samples.length);
      let power = 0;
      samples.forEach((sample, at) => {
        pcm[at] = Math.max(-1, Math.min(1, sample)) * 32767;
        power += sample * sample;
      });
      heard.chunks.push(pcm);
      if (Math.sqrt(power / samples.length) > 0.008) {
        heard.loudAt = performance.now();
        heard.spoke = true;
      }
    };
    source.connect(node);
    node.connect(audio().destination);
  };
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...given) {
      super(...given);
      heard.peer = this;
      this.addEventListener('track', (event) => tap(event.track));
    }
  };
  heard.bytes = () => {
    const all = new Int16Array(heard.chunks.reduce((sum, chunk) => sum + chunk.length, 0));
    heard.chunks.reduce((at, chunk) => { all.set(chunk, at); return at + chunk.length; }, 0);
    const bytes = new Uint8Array(all.buffer);
    let text = '';
    for (let at = 0; at < bytes.length; at += 32768) text += String.fromCharCode(...bytes.subarray(at, at + 32768));
    return btoa(text);
  };
  heard.quietFor = () => heard.spoke && !heard.saying ? (performance.now() - heard.loudAt) / 1000 : 0;
  if (%(by_steps)s) {
    let mouth = null;
    navigator.mediaDevices.getUserMedia = async () => {
      if (!mouth) {
        mouth = audio().createMediaStreamDestination();
        // Silence is sent too, as from a microphone: without a source nothing would be.
        const silence = audio().createConstantSource();
        silence.offset.value = 0;
        silence.connect(mouth);
        silence.start();
      }
      return mouth.stream.clone();
    };
    heard.say = async (wav) => {
      const bytes = Uint8Array.from(atob(wav), (character) => character.charCodeAt(0));
      const source = audio().createBufferSource();
      source.buffer = await audio().decodeAudioData(bytes.buffer);
      source.connect(mouth);
      heard.saying = true;
      await new Promise((resolve) => { source.onended = resolve; source.start(); });
      heard.saying = false;
      heard.spoke = false;
    };
  }
  addEventListener('DOMContentLoaded', () => {
    let last = '';
    const note = () => {
      const now = document.getElementById('phone')?.dataset.phase ?? document.body.dataset.part ?? '';
      if (now !== last) heard.shown.push({ shown: now, at_ms: Math.round(performance.now()) });
      last = now;
    };
    new MutationObserver(note).observe(document.body, { subtree: true, attributes: true, attributeFilter: ['data-phase', 'data-part'] });
    note();
  });
})();
"""

LINES = """
return [...document.querySelectorAll('.talk li[data-speaker]')].map((item) => ({
  speaker: item.dataset.speaker, at_ms: Number(item.dataset.at), text: item.querySelector('.said').textContent,
}));
"""

OFFER = """
const text = (selector) => document.querySelector(selector)?.textContent ?? null;
return {
  title: text('.casebar h2'), name: text('.name'), verification: text('.who .badge'), wants: text('.want strong'),
  words: text('blockquote'), summary: text('.summary'), first_line: text('.first p'),
  facts: [...document.querySelectorAll('.facts:not(.two) > div')].map((row) => [...row.children].map((cell) => cell.textContent)),
  tried: [...document.querySelectorAll('.tried li')].map((row) => row.textContent),
  lines: document.querySelectorAll('.talk li[data-speaker]').length,
  scrolls: document.documentElement.scrollHeight > innerHeight,
};
"""

TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]


def tell(**what):
    print(json.dumps(what), flush=True)


class Failed(Exception):
    """Something did not come about in time."""


def browser(arguments, width=1280, height=720, dark=False):
    """Starts a Chromium of its own."""
    options = Options()
    flags = [
        "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio",
        "--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream",
        "--autoplay-policy=no-user-gesture-required", "--allow-loopback-in-peer-connection",
    ]
    if getattr(arguments, "audio", None):
        flags.append(f"--use-file-for-fake-audio-capture={os.path.abspath(arguments.audio)}%noloop")
    if arguments.insecure:
        flags.append("--ignore-certificate-errors")
    for flag in flags:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = Service(executable_path=os.environ.get("CHROMEDRIVER", "/usr/bin/chromedriver"))
    driver = webdriver.Chrome(options=options, service=service)
    look(driver, width, height, dark)
    # Chromium's own fake microphone beeps without end.
    by_steps = not getattr(arguments, "audio", None)
    script = INJECTED % {"rate": RATE, "by_steps": "true" if by_steps else "false"}
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": script})
    return driver


def look(driver, width, height, dark):
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})


def until(what, holds, limit_s=WAIT_S):
    """Waits until `holds` gives something, and gives that."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        value = holds()
        if value:
            return value
        time.sleep(POLL_S)
    raise Failed(f"{what}: not within {limit_s:.0f} s")


class Page:
    """A page with the steps that both pages know."""

    def __init__(self, driver, arguments):
        self.driver = driver
        self.arguments = arguments
        self.heard = b""

    def run(self, script, *given):
        return self.driver.execute_script(script, *given)

    def press(self, key):
        ActionChains(self.driver).send_keys(key).perform()

    def click(self, element_id):
        self.driver.find_element(By.ID, element_id).click()

    def step(self, step):
        name, _, value = step.partition(":")
        method = getattr(self, "do_" + name.replace("-", "_"), None)
        if method is None:
            raise Failed(f"unknown step {step}")
        method(*([value] if value else []))

    def do_wait(self, seconds):
        time.sleep(float(seconds))

    def do_say(self, path):
        until("the other side finishes", lambda: self.run("return frontdoor.quietFor()") >= GAP_S)
        with open(path, "rb") as file:
            wav = base64.b64encode(file.read()).decode()
        self.driver.execute_async_script("frontdoor.say(arguments[0]).then(arguments[1])", wav)

    def do_turn(self):
        until("the other side has spoken", lambda: self.run("return frontdoor.quietFor()") >= GAP_S)
        self.run("frontdoor.spoke = false")

    def heard_s(self):
        """How much was heard so far."""
        samples = self.run("return frontdoor.chunks.reduce((sum, chunk) => sum + chunk.length, 0)")
        return round((len(self.heard) / 2 + samples) / RATE, 2)

    def do_caption(self, pattern):
        matches = re.compile(pattern, re.IGNORECASE).search
        line = until(f"a line like {pattern}", lambda: next((line for line in self.run(LINES) if matches(line["text"])), None))
        tell(event="caption", **line)

    def do_shot(self, path):
        self.driver.save_screenshot(path)

    def do_faults(self):
        found = faults_of(self.driver, self.arguments)
        tell(event="looked", faults=found)
        if found:
            raise Failed(f"{len(found)} faults of accessibility")

    def do_crash(self):
        self.keep()
        for process in reversed(processes_of(self.driver.service.process.pid)):
            os.kill(process, signal.SIGKILL)

    def keep(self):
        """Takes what was heard out of the page, which may soon be gone."""
        self.heard += base64.b64decode(self.run("return frontdoor.bytes()"))
        self.run("frontdoor.chunks = []")

    def finish(self):
        """Writes and tells what there was."""
        self.keep()
        if self.arguments.out:
            write_wav(self.arguments.out, self.heard)
        tell(event="end", heard_s=round(len(self.heard) / 2 / RATE, 2), shown=self.run("return frontdoor.shown"), lines=self.run(LINES),
             problems=[entry["message"] for entry in self.driver.get_log("browser") if entry["level"] == "SEVERE"])


def write_wav(path, pcm):
    with wave.open(path, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(pcm)


def processes_of(pid):
    """A process and all that it started, by their ids."""
    found = [pid]
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/stat", encoding="utf-8") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == pid:
            found += processes_of(int(entry))
    return found


class CallPage(Page):
    """The caller's page."""

    def begin(self):
        arguments = self.arguments
        address = f"{arguments.base}/call" + (f"?to={arguments.to}" if arguments.to else "")
        self.driver.get(address + (f"#token={arguments.token}" if arguments.token else ""))
        time.sleep(0.5)
        started = time.monotonic()
        self.click("start")
        phase = until("the call begins", lambda: self.phase() if self.phase() not in ("idle", "connecting") or self.problem() else None, 45)
        if phase == "idle":
            raise Failed(self.problem())
        tell(event="connected", after_ms=round((time.monotonic() - started) * 1000))

    def phase(self):
        return self.run("return document.getElementById('phone').dataset.phase")

    def problem(self):
        return self.run("return document.getElementById('problem').textContent")

    def do_phase(self, name):
        until(f"phase {name}", lambda: self.phase() == name)
        tell(event="phase", phase=name, heard_s=self.heard_s(), text=self.run("return document.getElementById('phase').textContent"),
             detail=self.run("return document.getElementById('detail').textContent"))

    def do_keys(self, digits):
        for digit in digits:
            self.press(digit)
            time.sleep(0.25)

    def do_mute(self):
        self.click("mute")

    do_unmute = do_mute

    def do_hang_up(self):
        self.click("hang-up")

    def do_ended(self):
        self.do_phase("ended")


class DeskPage(Page):
    """The agent's desk."""

    def begin(self):
        sign_in(self.driver, self.arguments)
        self.driver.get(f"{self.arguments.base}/desk")
        self.do_part("idle", ["idle", "call", "offer", "wrap"])
        tell(event="desk")

    def do_part(self, name, any_of=None):
        until(f"{name} at the desk", lambda: self.run("return document.body.dataset.part") in (any_of or [name]))

    def do_status(self, pattern):
        is_like = re.compile(pattern).search
        until(f"a status like {pattern}", lambda: is_like(self.run("return document.querySelector('.casebar [role=status]')?.textContent ?? ''")))
        tell(event="status", status=pattern, heard_s=self.heard_s())

    def do_ready(self):
        self.press("r")
        until("ready", lambda: self.run("return document.querySelector('.state')?.dataset.state") in ("ready", "offered"))

    def do_offer(self):
        self.do_part("offer")
        until("the offer can be taken", lambda: self.run("return document.querySelector('.casebar .go')?.disabled === false"))
        tell(event="offer", **self.run(OFFER))

    def do_take(self):
        started = time.monotonic()
        self.press("t")
        self.do_part("call")
        until("audio", lambda: self.run("return frontdoor.peer?.connectionState") == "connected", 20)
        until("the call is on", lambda: self.run("return document.querySelector('.tool')?.disabled === false"), 20)
        tell(event="taken", after_ms=round((time.monotonic() - started) * 1000))

    def do_phone(self):
        self.press("p")

    def do_decline(self):
        self.press("d")

    def do_hang_up(self):
        self.press("e")
        self.press("e")

    def do_press(self, key):
        self.press(key)

    def do_type(self, text):
        self.driver.switch_to.active_element.send_keys(text)

    def do_choose(self, text):
        until("the dialog", lambda: self.run("return document.querySelector('dialog[open] input[type=search]') === document.activeElement"))
        self.do_type(text)
        self.press(Keys.ENTER)

    def do_done(self):
        ActionChains(self.driver).key_down(Keys.CONTROL).send_keys(Keys.ENTER).key_up(Keys.CONTROL).perform()

    def do_reload(self):
        self.keep()
        self.run("addEventListener('beforeunload', (event) => event.stopImmediatePropagation(), true)")
        self.driver.refresh()

    def do_replaced(self):
        until("told that the desk is open elsewhere", lambda: "elsewhere" in (self.run("return document.querySelector('dialog[open] h2')?.textContent") or ""))


def sign_in(driver, arguments):
    """Signs in, and chooses a password if that is asked for first."""
    driver.get(f"{arguments.base}/sign-in")
    driver.find_element(By.ID, "name").send_keys(arguments.name)
    driver.find_element(By.ID, "password").send_keys(arguments.password + Keys.ENTER)

    def where():
        if driver.find_element(By.ID, "change").is_displayed():
            return "change"
        return driver.find_element(By.ID, "sign-in-problem").text

    def answered():
        try:
            return "" if driver.current_url.endswith("/sign-in") and not where() else "answered"
        except WebDriverException:
            # The page is on its way to another.
            return None

    until("an answer to signing in", answered, 20)
    if not driver.current_url.endswith("/sign-in"):
        return
    if where() != "change":
        raise Failed(where())
    if not arguments.new_password:
        raise Failed("a new password is asked for: give --new-password")
    for field in ("new", "again"):
        driver.find_element(By.ID, field).send_keys(arguments.new_password)
    driver.find_element(By.ID, "again").send_keys(Keys.ENTER)
    until("the password is changed", lambda: "/sign-in" not in driver.current_url, 20)


def converse(kind, arguments):
    driver = browser(arguments)
    page = kind(driver, arguments)
    crashes = False
    try:
        page.begin()
        for step in arguments.steps:
            page.step(step)
            if step == "crash":
                crashes = True
                if arguments.out:
                    write_wav(arguments.out, page.heard)
                tell(event="crash", heard_s=round(len(page.heard) / 2 / RATE, 2))
                return 0
        page.finish()
        return 0
    except Failed as failed:
        tell(event="failed", why=str(failed))
        page.finish()
        return 1
    finally:
        if not crashes:
            driver.quit()


def pages_of(driver, arguments):
    """The pages that can be opened, after signing in where a name is given."""
    if not arguments.name:
        return OPEN_PAGES
    sign_in(driver, arguments)
    return ["/", "/call"] + STAFF_PAGES


def go(driver, address):
    # By another page: a change after `#` alone opens nothing.
    driver.get("about:blank")
    driver.get(address)
    time.sleep(1.5)


def screenshots(arguments):
    os.makedirs(arguments.out, exist_ok=True)
    driver = browser(arguments)
    try:
        for path in pages_of(driver, arguments):
            name = path.strip("/").replace("#", "-") or "home"
            for theme, dark in (("light", False), ("dark", True)):
                small = path in ("/", "/call", "/sign-in")
                look(driver, *((420, 760) if small else (1280, 720)), dark)
                go(driver, arguments.base + path)
                file = os.path.join(arguments.out, f"{name}-{theme}.png")
                driver.save_screenshot(file)
                tell(event="screenshot", file=file, scrolls=driver.execute_script("return document.documentElement.scrollHeight > innerHeight"))
    finally:
        driver.quit()
    return 0


def faults_of(driver, arguments):
    """What axe finds wrong with the page as it is."""
    if not arguments.axe:
        raise Failed("give --axe axe.min.js")
    with open(arguments.axe, encoding="utf-8") as file:
        driver.execute_script(file.read())
    rules = {"runOnly": {"type": "tag", "values": TAGS}}
    result = driver.execute_async_script("axe.run(document, arguments[0]).then(arguments[1])", rules)
    return [
        {"rule": fault["id"], "impact": fault["impact"], "help": fault["help"], "where": [node["target"] for node in fault["nodes"]]}
        for fault in result["violations"]
    ]


def axe(arguments):
    driver = browser(arguments)
    found = 0
    try:
        for path in pages_of(driver, arguments):
            for theme, dark in (("light", False), ("dark", True)):
                look(driver, 1280, 720, dark)
                go(driver, arguments.base + path)
                faults = faults_of(driver, arguments)
                found += len(faults)
                tell(event="looked", page=path, theme=theme, faults=faults)
    finally:
        driver.quit()
    return 1 if found else 0


def weights(arguments):
    driver = browser(arguments)
    try:
        sign_in(driver, arguments)
        go(driver, f"{arguments.base}/desk")
        measured = driver.execute_script("""
          const all = [...performance.getEntriesByType('navigation'), ...performance.getEntriesByType('resource')];
          const files = all.filter((entry) => !entry.name.includes('/api/'));
          const paint = Object.fromEntries(performance.getEntriesByType('paint').map((entry) => [entry.name, Math.round(entry.startTime)]));
          return {
            files: files.length, bytes: files.reduce((sum, entry) => sum + entry.decodedBodySize, 0),
            first_paint_ms: paint['first-paint'], first_contentful_paint_ms: paint['first-contentful-paint'],
            loaded_ms: Math.round(performance.getEntriesByType('navigation')[0].loadEventEnd),
          };
        """)
    finally:
        driver.quit()
    tell(event="weights", bytes_max=DESK_BYTES_MAX, **measured)
    return 0 if measured["bytes"] < DESK_BYTES_MAX else 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name, run):
        sub = commands.add_parser(name)
        sub.set_defaults(run=run)
        sub.add_argument("--base", required=True, help="http://127.0.0.1:9090")
        sub.add_argument("--insecure", action="store_true", help="take a certificate that nobody vouches for")
        return sub

    def account(sub, required):
        sub.add_argument("--name", required=required)
        sub.add_argument("--password", required=required)
        sub.add_argument("--new-password", help="chosen if one has to be")

    for name, kind in (("call", CallPage), ("desk", DeskPage)):
        sub = command(name, lambda arguments, kind=kind: converse(kind, arguments))
        sub.add_argument("--audio", help="what the fake microphone plays, once")
        sub.add_argument("--out", help="what was heard")
        sub.add_argument("--axe", help="axe.min.js, for the step `faults`")
        sub.add_argument("steps", nargs="*")
        if name == "call":
            sub.add_argument("--to")
            sub.add_argument("--token")
        else:
            account(sub, True)
    sub = command("screenshots", screenshots)
    sub.add_argument("--out", required=True)
    account(sub, False)
    sub = command("axe", axe)
    sub.add_argument("--axe", required=True)
    account(sub, False)
    account(command("weights", weights), True)
    arguments = parser.parse_args()
    arguments.base = arguments.base.rstrip("/")
    try:
        return arguments.run(arguments)
    except Failed as failed:
        tell(event="failed", why=str(failed))
        return 1


if __name__ == "__main__":
    sys.exit(main())
