// The caller's page: one button, and then the call.

import { ApiError, ask } from './api.js';
import {
  canChooseSpeaker,
  devices,
  KEYS,
  Line,
  LineError,
  openMicrophone,
  playKey,
  watchLevel,
} from './rtc.js';
import { follow } from './sse.js';
import { Transcript } from './transcript.js';
import { byId, clock, el, fill, kept, waitWords, words } from './ui.js';

const CONNECT_LIMIT_MS = 10_000;
const TRIES = 3;
// Nothing at all from the microphone for so long: it is said that it seems to be off.
const DEAF_MS = 8000;

const query = new URLSearchParams(location.search);
// What vouches for the caller stays out of the request for the page, and so out of logs.
const token = new URLSearchParams(location.hash.slice(1)).get('token');
const embedded = query.has('embed');
// The site around us gets a pass for each call.
const sitePasses = embedded && query.has('pass');
const number = query.get('to') ? `?to=${encodeURIComponent(query.get('to'))}` : '';

let options = { house: '', ice_servers: [], token_required: false };
/** The call: its line, its secret path, its events. Null between calls. */
let current = null;
let captions = null;

// ---- what is shown ----

function show(phase, text, detail = '') {
  byId('phone').dataset.phase = phase;
  byId('phase').textContent = text;
  byId('detail').textContent = detail;
  const inCall = phase !== 'idle' && phase !== 'connecting' && phase !== 'ended';
  byId('before').hidden = inCall;
  byId('during').hidden = !inCall && !(phase === 'ended' && captions && !captions.isEmpty);
  byId('during').classList.toggle('over', !inCall);
  document.querySelector('.controls').hidden = !inCall;
  document.querySelector('.level').hidden = !inCall;
  byId('start').disabled = phase === 'connecting';
  byId('start-text').textContent =
    { connecting: 'Connecting', ended: 'Call again' }[phase] ?? 'Call';
  document.title = inCall ? `In call: ${options.house || 'Call us'}` : options.house || 'Call us';
  byId('ask').hidden = phase !== 'idle';
  captions?.toEnd();
  // The site around us shows by this that a call is on; nothing else is told.
  if (embedded)
    window.parent.postMessage(
      { frontdoor: inCall || phase === 'connecting' ? 'call' : 'idle' },
      '*',
    );
}

function showProblem(error) {
  const box = byId('problem');
  box.hidden = !error;
  box.textContent = error ? [error.message, error.fix].filter(Boolean).join(' ') : '';
}

/** What the server says about where the caller is. */
function showPhase(event) {
  if (!current) return;
  const texts = {
    connecting: ['Connecting', ''],
    talking: ['Go ahead, we are listening.', 'You are talking with our automatic assistant.'],
    waiting: waiting(event),
    with_agent: [
      event.agent ? `You are talking with ${event.agent}.` : 'You are talking with one of us.',
      '',
    ],
  };
  if (event.phase === 'ended') end('The call has ended.');
  else if (texts[event.phase]) show(event.phase, ...texts[event.phase]);
}

function waiting({ position, queue, wait_from_s: from, wait_to_s: to }) {
  const place =
    position === 1
      ? 'You are next in line.'
      : position
        ? `You are number ${position} in line.`
        : 'You are in line.';
  const wait = waitWords(from, to);
  const detail = [
    queue && `Waiting for: ${words(queue).toLowerCase()}.`,
    wait && `Likely wait: ${wait}.`,
  ];
  return [place, detail.filter(Boolean).join(' ')];
}

// ---- the call ----

function refusal(error) {
  if (!(error instanceof ApiError)) return error;
  const said = {
    0: 'There is no connection to the server. Check your network, then try again.',
    401: 'This page has no permission to call. Open it again from the site that it belongs to.',
    403: 'This page has no permission to call. Open it again from the site that it belongs to.',
    404: 'Nobody answers this number here.',
    429: 'There were many calls from here. Wait a minute, then try again.',
    503: 'All our lines are busy. Try again in a minute.',
  }[error.status];
  return said ? new ApiError(error.status, said) : error;
}

async function start() {
  showProblem(null);
  captions = new Transcript({
    label: 'What is said',
    live: true,
    times: false,
    names: { caller: 'You', frontdoor: options.house || 'Us' },
  });
  fill(byId('captions'), captions.node);
  show('connecting', 'Connecting …');
  let stream = null;
  try {
    if (options.token_required && !token && !sitePasses) throw new ApiError(401, '');
    stream = await openMicrophone(kept.get('microphone'));
    fillDevices();
    await connect(stream);
  } catch (error) {
    stream?.getTracks().forEach((track) => track.stop());
    show('idle', 'The call did not come about.');
    showProblem(refusal(error));
    byId('start').focus();
  }
}

/** A pass from the site around us: good for one call, so each try needs another. */
function askForPass() {
  return new Promise((resolve, reject) => {
    const done = (pass) => {
      window.removeEventListener('message', take);
      clearTimeout(limit);
      if (pass) resolve(pass);
      else reject(new ApiError(401, ''));
    };
    const take = (event) => {
      if (event.source === window.parent && event.data?.frontdoor === 'pass') done(event.data.pass);
    };
    const limit = setTimeout(done, CONNECT_LIMIT_MS);
    window.addEventListener('message', take);
    window.parent.postMessage({ frontdoor: 'pass?' }, '*');
  });
}

/** Tries to get a line, a few times if the audio does not come about. */
async function connect(stream) {
  let lost = null;
  for (let attempt = 1; ; attempt += 1) {
    const line = new Line(stream.clone(), options.ice_servers);
    let path = null;
    try {
      const pass = sitePasses ? await askForPass() : token;
      const offer = { body: await line.offer(), type: 'application/sdp', token: pass };
      const response = await ask('POST', `/api/call${number}`, offer);
      path = response.headers.get('Location');
      await line.connect(await response.text(), CONNECT_LIMIT_MS);
      stream.getTracks().forEach((track) => track.stop());
      begin(line, path);
      return;
    } catch (error) {
      line.close();
      if (path) ask('DELETE', path).catch(() => {});
      lost ??= error instanceof LineError ? error : null;
      // A pass that was good once is refused now: why it came to that is what helps.
      if (!(error instanceof LineError) || attempt === TRIES) throw lost ?? error;
      show('connecting', 'Connecting …', `Trying again (${attempt + 1} of ${TRIES})`);
    }
  }
}

function begin(line, path) {
  current = { line, path, since: Date.now(), timers: [] };
  line.addEventListener('state', () => followLine(line));
  line.addEventListener('blocked', () => {
    byId('sound').hidden = false;
  });
  line.useSpeaker(kept.get('speaker')).catch(() => {});
  current.events = follow(`${path}/events`, {
    phase: showPhase,
    line: (event) => captions.add(event),
    gone: () => end('The call has ended.'),
  });
  const tick = () => {
    byId('time').textContent = clock((Date.now() - current.since) / 1000);
  };
  tick();
  current.timers.push(setInterval(tick, 500));
  watchMicrophone();
  showMuted();
  show('talking', 'Go ahead, we are listening.', 'You are talking with our automatic assistant.');
  byId('hang-up').focus();
}

function followLine(line) {
  if (current?.line !== line) return;
  if (line.state === 'unsteady') showProblem(new Error('The connection is unsteady. Hold on …'));
  if (line.state === 'connected') showProblem(null);
  if (line.state === 'failed') {
    end('The call has ended.');
    showProblem(new Error('The connection was lost.'));
  }
}

function watchMicrophone() {
  let heardAt = Date.now();
  const meter = byId('meter');
  current.stopLevel?.();
  current.stopLevel = watchLevel(current.line.stream, (level) => {
    meter.style.setProperty('--level', level.toFixed(2));
    if (level > 0.02 || current.line.muted) heardAt = Date.now();
    const deaf = Date.now() - heardAt > DEAF_MS;
    byId('mic-text').textContent = current.line.muted
      ? 'Muted'
      : deaf
        ? 'We hear nothing: is it on?'
        : 'Microphone';
    byId('mic-text').classList.toggle('bad', deaf);
  });
}

function end(text) {
  if (!current) return;
  const seconds = (Date.now() - current.since) / 1000;
  current.events.close();
  current.stopLevel();
  current.timers.forEach(clearInterval);
  current.line.close();
  current = null;
  byId('sound').hidden = true;
  byId('keypad').hidden = true;
  byId('keys').setAttribute('aria-expanded', 'false');
  showProblem(null);
  show('ended', text, `It lasted ${clock(seconds)}.`);
  byId('start').focus();
}

function hangUp() {
  if (!current) return;
  // Whatever comes of it, the line is closed, and the server notices that too.
  ask('DELETE', current.path, { keepalive: true }).catch(() => {});
  end('You have hung up.');
}

function showMuted() {
  byId('mute').setAttribute('aria-pressed', String(current?.line.muted ?? false));
  byId('mute').textContent = current?.line.muted ? 'Unmute' : 'Mute';
}

async function pressKey(key) {
  if (!current) return;
  playKey(key);
  try {
    await ask('POST', `${current.path}/keys`, { json: { keys: key } });
  } catch (error) {
    showProblem(error);
  }
}

// ---- devices ----

async function fillDevices() {
  const found = await devices();
  const choices = (list, chosen) => [
    el('option', { value: '' }, 'As the system says'),
    ...list
      .filter((one) => one.id !== 'default')
      .map((one) => el('option', { value: one.id, selected: one.id === chosen }, one.label)),
  ];
  fill(byId('microphone'), choices(found.microphones, kept.get('microphone')));
  fill(byId('speaker'), choices(found.speakers, kept.get('speaker')));
  byId('speaker-field').hidden = !canChooseSpeaker || found.speakers.length === 0;
}

byId('microphone').addEventListener('change', async (event) => {
  kept.set('microphone', event.target.value || null);
  if (!current) return;
  try {
    await current.line.useMicrophone(await openMicrophone(event.target.value));
    watchMicrophone();
  } catch (error) {
    showProblem(error);
  }
});

byId('speaker').addEventListener('change', (event) => {
  kept.set('speaker', event.target.value || null);
  current?.line.useSpeaker(event.target.value).catch(showProblem);
});

// ---- beginning ----

byId('start').addEventListener('click', start);
byId('hang-up').addEventListener('click', hangUp);
byId('mute').addEventListener('click', () => {
  current.line.muted = !current.line.muted;
  showMuted();
});
byId('sound').addEventListener('click', () => {
  byId('sound').hidden = true;
  current.line.play();
});
byId('keys').addEventListener('click', () => {
  const shown = byId('keypad').hidden;
  byId('keypad').hidden = !shown;
  byId('keys').setAttribute('aria-expanded', String(shown));
  captions.toEnd();
  if (shown) byId('keypad').querySelector('button').focus();
});
fill(
  byId('keypad'),
  KEYS.map((key) =>
    el(
      'button',
      {
        type: 'button',
        class: 'button',
        'aria-label': { '*': 'star', '#': 'hash' }[key],
        onclick: () => pressKey(key),
      },
      key,
    ),
  ),
);
document.addEventListener('keydown', (event) => {
  if (
    event.ctrlKey ||
    event.metaKey ||
    event.altKey ||
    event.target.matches('input, select, textarea')
  )
    return;
  if (current && KEYS.includes(event.key)) pressKey(event.key);
  else if (event.key === 'Escape' && embedded)
    window.parent.postMessage({ frontdoor: 'close' }, '*');
});
navigator.mediaDevices?.addEventListener?.('devicechange', fillDevices);
window.addEventListener('pagehide', hangUp);

document.body.classList.toggle('embedded', embedded);
fillDevices();
try {
  options = await (await ask('GET', `/api/call/options${number}`)).json();
  if (options.house) {
    byId('house').textContent = options.house;
    document.title = options.house;
  }
} catch (error) {
  showProblem(refusal(error));
}
