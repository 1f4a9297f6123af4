// The agent desktop: holds what is so at this desk, shows it, and says what the agent does.

import { call, exchangeSdp, needSession, serverNow } from './api.js';
import { microphoneIsAllowed, prepareLine, startRing, stopRing } from './desk-audio.js';
import { CallControls } from './desk-call.js';
import { Case, caseBar, dropDrafts, lastCall } from './desk-case.js';
import { Idle } from './desk-idle.js';
import { isTyping, showHelp } from './desk-keys.js';
import { callerName } from './handoff.js';
import { follow } from './sse.js';
import {
  busy,
  button,
  byId,
  dialog,
  dialogIsOpen,
  el,
  fill,
  fillBar,
  icon,
  kept,
  menu,
  notice,
  problem,
  showCut,
  stateWords,
  timer,
  toBeginWith,
  words,
} from './ui.js';

const CONNECT_LIMIT_MS = 10_000;
const SAVE_PAUSE_MS = 2000;

const session = await toBeginWith(needSession);
const options = await toBeginWith(() => call('GET', '/api/desk/options'));
const idle = new Idle({ goReady: () => setState('ready'), openStates: () => stateMenu.openMenu() });

/** Everything as it is at this desk. */
const desk = {
  state: { state: 'offline' },
  since: serverNow(),
  offer: null,
  call: null,
  /** The case on the screen: of the offer, the call, or the work after it. */
  case: null,
  /** The audio of the call, if it is in this browser. */
  line: null,
  /** The call whose end was told. */
  finished: null,
  taking: false,
  connected: false,
};

// ---- the bar ----

const stateButton = button('', null, { look: 'state', key: 'A' });
const stateMenu = menu(stateButton, stateChoices, { label: 'Your state' });
function stateChoices() {
  const reasons = options.away_reasons.length > 0 ? options.away_reasons : ['away'];
  return [
    { text: 'Ready', key: 'r', dot: 'ready', act: () => setState('ready') },
    ...reasons.map((reason, at) => ({
      text: stateWords({ state: 'away', reason }),
      dot: 'away',
      key: at < 9 ? String(at + 1) : null,
      act: () => setState('away', reason),
    })),
    { text: 'Offline', key: 'o', dot: 'offline', act: () => setState('offline') },
  ];
}
const queueList = el('ul', { class: 'queues grow', 'aria-label': 'Queues' });
fillBar(
  session,
  stateMenu,
  queueList,
  button('', showHelp, {
    look: 'quiet square',
    drawing: 'keyboard',
    'aria-label': 'Keyboard shortcuts',
    title: 'Keyboard shortcuts (?)',
    key: '?',
  }),
);

function setState(state, reason) {
  return busy(null, () => call('POST', '/api/desk/state', reason ? { state, reason } : { state }));
}

function showState() {
  const { state } = desk.state;
  const since =
    state === 'wrap_up' ? timer(Date.parse(desk.state.until), { until: true }) : timer(desk.since);
  stateButton.dataset.state = state;
  fill(
    stateButton,
    el('span', { class: 'unseen' }, 'Your state:'),
    el('span', { class: 'dot' }),
    el('span', {}, stateWords(desk.state)),
    since,
    icon('down'),
  );
  idle.showState(desk.state);
}

function showQueues(queues) {
  // There is room for a few: those with callers first.
  const byNeed = [...queues].sort((a, b) => b.waiting - a.waiting);
  fill(
    queueList,
    byNeed.map((queue) =>
      el(
        'li',
        { class: `badge ${queue.waiting > 0 ? 'warn' : ''}`, title: `${queue.agents_ready} ready` },
        el('span', {}, words(queue.name)),
        el('strong', { class: 'number' }, String(queue.waiting)),
        queue.waiting > 0 && timer(serverNow() - queue.longest_wait_s * 1000),
        el('span', { class: 'unseen' }, 'waiting'),
      ),
    ),
  );
  idle.showQueues(queues);
}

// ---- which view ----

function part() {
  if (desk.call && desk.call.phase !== 'ended') return 'call';
  if (desk.offer) return 'offer';
  return desk.state.state === 'wrap_up' ? 'wrap' : 'idle';
}

let shownPart = '';

/** Shows the part of the work that is on now. */
function show() {
  const now = part();
  const id =
    now === 'idle' ? '' : `${now} ${desk.case?.callId ?? ''} ${desk.offer?.offer_id ?? ''}`;
  if (shownPart === id && byId('view').hasChildNodes()) return;
  shownPart = id;
  document.body.dataset.part = now;
  if (now !== 'idle') idle.leave();
  if (now === 'idle') {
    fill(byId('view'), idle.node);
    document.title = 'Desk · frontdoor';
    byId('title').textContent = 'Desk';
    return;
  }
  desk.case.show(now);
  const bar = { offer: offerBar, call: callBar, wrap: wrapBar }[now]();
  // The case itself stays in place, with what is typed and how far it is scrolled.
  const above = byId('view').querySelector('.casebar');
  if (above && desk.case.node.isConnected) above.replaceWith(bar);
  else fill(byId('view'), bar, desk.case.node);
  desk.case.talk.toEnd();
  const title = { offer: 'Call offered', call: 'In a call', wrap: 'Wrap-up' }[now];
  byId('title').textContent = title;
  document.title = `${title} · frontdoor`;
  // To the top of what is new, never onto a button: a key that was meant for elsewhere does nothing there.
  if (!isTyping(document.activeElement)) byId('main').focus({ preventScroll: true });
}

function openCase(callId, handoff, firstLine) {
  if (desk.case?.callId === callId && (desk.case.handoff || !handoff)) return;
  desk.case = new Case({
    callId,
    handoff,
    firstLine,
    dispositions: options.dispositions,
    changed: saveSoon,
  });
}

function say(text) {
  byId('say').textContent = text;
}

// ---- an offer ----

let takeButton = null;
let prepared = null;

function onOffer(event) {
  if (desk.offer?.offer_id === event.offer_id) return;
  desk.offer = { ...event, shown: false, waitedSince: serverNow() - event.waited_s * 1000 };
  openCase(event.call_id, event.handoff, event.first_line);
  show();
  const queue = words(event.queue).toLowerCase();
  startRing(`Call for ${queue}`);
  const who = callerName(event.handoff) || 'An unknown caller';
  say(
    `${event.kind === 'callback' ? 'A callback' : 'A call'} for ${queue}. ${who}. ${event.handoff.summary} Press T to take it, D to decline.`,
  );
  prepareAhead();
  whenSeen(() => sendShown(event.offer_id));
}

// Where the browser does not have to ask, the line is made while the phone rings.
async function prepareAhead() {
  dropPrepared();
  if (!(await microphoneIsAllowed()) || !desk.offer) return;
  prepared = prepareLine(options.ice_servers);
  prepared.catch(() => {
    prepared = null;
  });
}

function dropPrepared() {
  prepared?.then(
    ({ line }) => line.close(),
    () => {},
  );
  prepared = null;
}

/** Does something once the page is in sight and has been painted. */
function whenSeen(act) {
  if (document.hidden) {
    document.addEventListener('visibilitychange', () => whenSeen(act), { once: true });
    return;
  }
  requestAnimationFrame(() => requestAnimationFrame(act));
}

async function sendShown(id) {
  if (desk.offer?.offer_id !== id) return;
  try {
    await call('POST', `/api/desk/offers/${id}/shown`);
    if (desk.offer?.offer_id !== id) return;
    desk.offer.shown = true;
    if (takeButton) takeButton.disabled = false;
  } catch (error) {
    // A connection that failed may be back in a moment; an offer that is gone is told by the stream.
    if (error.status === 0) setTimeout(() => sendShown(id), 1000);
  }
}

function offerBar() {
  const offer = desk.offer;
  const back = offer.kind === 'callback';
  takeButton = button(back ? 'Call back' : 'Take', take, {
    look: 'go',
    drawing: 'phone',
    key: 'T',
    disabled: !offer.shown,
  });
  return caseBar(
    'offered',
    el('span', { class: 'ringing' }, icon('phone')),
    el(
      'div',
      { class: 'grow' },
      el('h2', {}, `${back ? 'Callback' : 'Call'} for ${words(offer.queue).toLowerCase()}`),
      el(
        'p',
        { class: 'dim small' },
        back ? 'Asked for a call back ' : 'Waiting for ',
        timer(offer.waitedSince),
        back && ' ago; taking it dials',
      ),
    ),
    el(
      'p',
      { class: 'count' },
      el('span', { class: 'small dim' }, 'Goes on in '),
      timer(Date.parse(offer.until), { until: true }),
    ),
    button('Decline', decline, { drawing: 'close', key: 'D' }),
    options.has_phone &&
      button('On my phone', takeOnPhone, { look: 'phone', drawing: 'phone', key: 'P' }),
    takeButton,
  );
}

async function take() {
  if (!desk.offer?.shown || desk.taking) return;
  const id = desk.offer.offer_id;
  desk.taking = true;
  stopRing();
  takeButton.disabled = true;
  const ahead = prepared;
  prepared = null;
  let line = null;
  try {
    const ready = await (ahead ?? prepareLine(options.ice_servers));
    line = ready.line;
    const answer = await exchangeSdp(`/api/desk/offers/${id}/take`, ready.sdp);
    holdLine(line);
    await line.connect(answer, CONNECT_LIMIT_MS);
  } catch (error) {
    line?.close();
    if (desk.line === line) desk.line = null;
    problem(error);
    if (desk.offer?.offer_id === id) takeButton.disabled = false;
  } finally {
    desk.taking = false;
  }
}

function holdLine(line) {
  desk.line?.close();
  desk.line = line;
  line.addEventListener('blocked', () =>
    document.addEventListener('pointerdown', () => line.play(), { once: true }),
  );
  line.addEventListener('state', () => {
    if (desk.line !== line) return;
    if (line.state === 'unsteady') notice('Your audio connection is unsteady.', { problem: true });
    if (line.state === 'failed') {
      dropLine();
      notice('Your audio connection was lost. The caller goes back to the head of the line.', {
        problem: true,
      });
    }
  });
}

function dropLine() {
  const line = desk.line;
  desk.line = null;
  line?.close();
}

async function takeOnPhone() {
  if (!desk.offer?.shown) return;
  stopRing();
  dropPrepared();
  await busy(byId('view').querySelector('.phone'), () =>
    call('POST', `/api/desk/offers/${desk.offer.offer_id}/take`, { with: 'phone' }),
  );
}

async function decline() {
  if (!desk.offer) return;
  stopRing();
  await busy(null, () => call('POST', `/api/desk/offers/${desk.offer.offer_id}/decline`));
}

const OVER = {
  expired: 'The offer ran out. You can go ready again when you are there.',
  caller_left: 'The caller has left.',
  desk_lost: 'The connection to your desk was lost, so the call went on.',
};

function onOfferEnded({ offer_id: id, why }) {
  if (desk.offer?.offer_id !== id) return;
  stopRing();
  // One that was taken stays on the screen until the call is there.
  if (why === 'taken') return;
  endOffer();
  if (OVER[why]) notice(OVER[why], { problem: why !== 'caller_left' });
  show();
}

function endOffer() {
  stopRing();
  dropPrepared();
  desk.offer = null;
  takeButton = null;
}

// ---- the call ----

let controls = null;

function onCall(event) {
  const first = desk.call?.call_id !== event.call_id;
  openCase(
    event.call_id,
    event.handoff,
    desk.offer?.call_id === event.call_id ? desk.offer.first_line : '',
  );
  if (desk.offer) endOffer();
  desk.call = event;
  if (first) {
    controls = null;
    const lines = event.handoff.transcript;
    desk.case.markTaken(lines.length > 0 ? lines.at(-1).at_ms + 1 : 0);
    say('');
  }
  if (event.phase === 'ended') finishCall();
  else if (desk.line) desk.line.muted = event.muted;
  show();
  controls?.update(event);
}

/** The call is over; told once, whichever event says it first. */
function finishCall() {
  dropLine();
  if (!desk.call || desk.call === desk.finished) return;
  desk.finished = desk.call;
  const { since, handoff } = desk.call;
  idle.addCall({
    at: since,
    about: words(handoff.intent?.name ?? handoff.queue),
    seconds: (serverNow() - Date.parse(since)) / 1000,
  });
  say('The call has ended.');
}

function callBar() {
  controls = new CallControls({
    name: callerName(desk.call.handoff),
    options: () => options,
    muteLine: (muted) => {
      if (desk.line) desk.line.muted = muted;
    },
  });
  controls.update(desk.call);
  return caseBar('talking', controls.node);
}

// ---- the work after it ----

let saving = 0;

/** Notes go to the server a while after the last key, so that nothing is lost when the time is up. */
function saveSoon() {
  clearTimeout(saving);
  if (part() === 'wrap') saving = setTimeout(() => save(), SAVE_PAUSE_MS);
}

async function save() {
  try {
    await call('POST', '/api/desk/wrap_up', { ...desk.case.wrapUp, done: false });
  } catch (error) {
    if (error.status !== 409 && error.status !== 404) problem(error);
  }
}

let asked = false;

async function done() {
  clearTimeout(saving);
  const wrapUp = desk.case.wrapUp;
  if (!wrapUp.disposition && options.dispositions.length > 0 && !asked) {
    asked = true;
    notice('Choose an outcome, or say done again to leave it open.', { problem: true });
    desk.case.outcome.querySelector('input').focus();
    return;
  }
  const finished = desk.case;
  await busy(byId('view').querySelector('.casebar .main'), async () => {
    await call('POST', '/api/desk/wrap_up', { ...wrapUp, done: true });
    finished.drop();
    if (wrapUp.disposition) idle.noteOutcome(wrapUp.disposition);
  });
}

function wrapBar() {
  asked = false;
  return caseBar(
    'wrapping',
    icon('check'),
    el(
      'div',
      { class: 'grow' },
      el('h2', {}, 'Wrap-up'),
      el('p', { class: 'dim small' }, 'Say what came of the call. Notes are kept as you type.'),
    ),
    el(
      'p',
      { class: 'count' },
      el('span', { class: 'small dim' }, 'Ends in '),
      timer(Date.parse(desk.state.until), { until: true }),
    ),
    button('Done', done, {
      look: 'main',
      drawing: 'check',
      key: 'Ctrl+Enter',
      'aria-keyshortcuts': 'Control+Enter',
    }),
  );
}

// ---- events ----

function onState({ event: _, ...state }) {
  const changed = JSON.stringify(state) !== JSON.stringify(desk.state);
  const before = desk.state.state;
  desk.state = state;
  if (changed && state.state !== before) desk.since = serverNow();
  if (state.state === 'wrap_up') {
    finishCall();
    desk.call = null;
    endOffer();
    if (!desk.case) openCase(lastCall.get(), null, '');
    lastCall.set(desk.case.callId);
  } else if (['ready', 'away', 'offline'].includes(state.state)) {
    // A call that is still shown is over, whatever was missed meanwhile.
    if (!desk.taking) finishCall();
    desk.call = null;
    if (before === 'wrap_up') desk.case = null;
    endOffer();
    if (before === 'wrap_up') notice('Kept. Thank you.');
  }
  showState();
  show();
}

let stream = null;

function openDesk() {
  stream = follow(
    '/api/desk/events',
    {
      state: onState,
      offer: onOffer,
      offer_ended: onOfferEnded,
      call: onCall,
      line: (line) => desk.case?.talk.add(line),
      queues: ({ queues }) => showQueues(queues),
      replaced: onReplaced,
    },
    {
      onState: (state) => {
        desk.connected = state === 'open';
        showCut(state);
        if (state === 'cut') stopRing();
      },
      whenCut: async () => (await needSession()) !== null,
    },
  );
}

async function onReplaced() {
  stream.close();
  endOffer();
  dropLine();
  desk.call = null;
  const here = await dialog('Your desk is open elsewhere', (close) => [
    el(
      'p',
      {},
      'You have opened the desk in another tab or on another computer. Calls go there; this one is idle.',
    ),
    el(
      'footer',
      {},
      button('Use this one', () => close(true), { look: 'main', autofocus: true }),
    ),
  ]);
  if (here) openDesk();
  else
    fill(
      byId('view'),
      el(
        'section',
        { class: 'panel pad' },
        el('p', {}, 'This desk is idle. '),
        button('Use this one', openDesk, { look: 'main' }),
      ),
    );
  shownPart = '?';
}

// ---- keys ----

const KEYS = {
  any: { r: () => setState('ready'), a: () => stateMenu.openMenu(), '?': showHelp },
  offer: { t: take, p: () => options.has_phone && takeOnPhone(), d: decline },
  call: { n: () => desk.case.text.focus() },
  wrap: { n: () => desk.case.text.focus() },
  idle: {},
};

document.addEventListener('keydown', (event) => {
  if (dialogIsOpen() || event.altKey || event.metaKey) return;
  const now = part();
  if (event.ctrlKey) {
    if (event.key === 'Enter' && now === 'wrap') done();
    return;
  }
  if (event.key === 'Escape' && document.activeElement === desk.case?.text) desk.case.text.blur();
  if (isTyping(event.target) || !kept.get('shortcuts', true) || event.repeat) return;
  const key = event.key.toLowerCase();
  if (now === 'call' && controls?.act(key)) event.preventDefault();
  else if (now === 'wrap' && /^[1-9]$/.test(key)) desk.case.choose(Number(key) - 1);
  else {
    const act = KEYS[now][key] ?? KEYS.any[key];
    if (!act) return;
    event.preventDefault();
    act();
  }
});

// A tab that is closed by mistake would send the caller back into the line.
window.addEventListener('beforeunload', (event) => {
  if (desk.line) event.preventDefault();
});

// ---- beginning ----

showState();
showQueues([]);
show();
if (kept.get('desk-of', '') !== session.name) {
  // Somebody else sat here: their notes are none of ours.
  dropDrafts();
  kept.set('desk-of', session.name);
}
openDesk();
