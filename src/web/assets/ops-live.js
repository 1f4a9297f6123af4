// Calls in progress, with what is said in them as it is said; and the floor beside them.

import { call, needSession } from './api.js';
import { agentTable, floorTiles, lookOf, queueTable } from './floor.js';
import { loadView } from './ops-load.js';
import { follow } from './sse.js';
import { Transcript } from './transcript.js';
import { el, fill, phaseWords, problem, showCut, timer, words } from './ui.js';

const FLOOR_PAUSE_MS = 3000;

export async function liveView(place) {
  const calls = new Map();
  let chosen = null;
  let watching = null;

  const list = el('ul', { class: 'calls' });
  const count = el('span', { class: 'badge' });
  const title = el('h2', { class: 'head' }, 'A call');
  const watch = el(
    'section',
    { class: 'panel watch', 'aria-label': 'The chosen call' },
    title,
    el('p', { class: 'pad dim' }, 'Choose a call to read along.'),
  );
  const load = el('section', { class: 'page-inner', 'aria-label': 'Load' });
  const floor = el('div', { class: 'page-inner' });
  fill(
    place,
    el(
      'div',
      { class: 'split' },
      el(
        'section',
        { class: 'panel', 'aria-label': 'Calls in progress' },
        el('h2', { class: 'head' }, 'Calls in progress', count),
        list,
      ),
      watch,
    ),
    load,
    floor,
  );

  const rowOf = (view) => {
    const where = [
      phaseWords(view.phase),
      view.queue && words(view.queue).toLowerCase(),
      view.agent,
    ]
      .filter(Boolean)
      .join(', ');
    const button = el('button', {
      type: 'button',
      'aria-pressed': 'false',
      onclick: () => choose(view.call_id),
    });
    const item = el('li', {}, button);
    const draw = () =>
      fill(
        button,
        el(
          'span',
          { class: 'row' },
          el('strong', { class: 'grow number' }, view.caller || 'Unknown number'),
          timer(Date.parse(view.answered_at), { class: 'number dim' }),
        ),
        el(
          'span',
          { class: 'row tight' },
          el('span', { class: view.phase === 'waiting' ? 'badge warn' : 'badge' }, where),
          el('span', { class: 'badge' }, view.channel === 'web' ? 'web' : 'telephone'),
          el('span', { class: 'badge' }, view.profile),
          view.intent && el('span', { class: 'badge accent' }, words(view.intent)),
        ),
        view.last_line && el('span', { class: 'last small' }, view.last_line),
      );
    draw();
    return { view, item, button, draw };
  };
  const redraw = (id) => {
    const old = calls.get(id);
    const row = rowOf(old.view);
    const hadFocus = old.button === document.activeElement;
    old.item.replaceWith(row.item);
    row.button.setAttribute('aria-pressed', String(id === chosen));
    if (hadFocus) row.button.focus();
    calls.set(id, row);
  };
  const showCount = () => {
    count.textContent = String(calls.size);
    if (calls.size === 0) fill(list, el('li', { class: 'pad dim' }, 'Nobody is calling.'));
    else list.querySelector('li.pad')?.remove();
  };
  const add = (view) => {
    if (calls.has(view.call_id)) return;
    const row = rowOf(view);
    calls.set(view.call_id, row);
    list.append(row.item);
    showCount();
  };

  function onCall({ call_id: id, event: kind, ...event }) {
    const row = calls.get(id);
    if (!row) return;
    if (kind === 'phase')
      Object.assign(row.view, { phase: event.phase, queue: event.queue, agent: event.agent });
    if (kind === 'line') row.view.last_line = event.text;
    if (kind === 'intent') row.view.intent = event.intent;
    if (kind === 'gone') {
      row.item.remove();
      calls.delete(id);
      showCount();
    } else if (kind !== 'turn') {
      redraw(id);
    }
  }

  function choose(id) {
    watching?.close();
    chosen = id;
    for (const [one, row] of calls) row.button.setAttribute('aria-pressed', String(one === id));
    const { view } = calls.get(id);
    const talk = new Transcript({ label: 'What is said', live: true });
    const state = el('span', { class: 'badge' }, phaseWords(view.phase));
    fill(
      title,
      el('span', { class: 'number' }, view.caller || 'Unknown number'),
      state,
      timer(Date.parse(view.answered_at), { class: 'number dim' }),
    );
    fill(watch, title, talk.node);
    let at = 0;
    watching = follow(`/api/ops/live/${encodeURIComponent(id)}/events`, {
      line: (line) => {
        at = Math.max(at, line.at_ms);
        talk.add(line);
      },
      phase: (event) => {
        state.textContent = phaseWords(event.phase);
        const who = [event.queue && words(event.queue).toLowerCase(), event.agent]
          .filter(Boolean)
          .join(', ');
        talk.mark(at, who ? `${phaseWords(event.phase)}: ${who}` : phaseWords(event.phase));
      },
      intent: ({ intent, confidence }) =>
        talk.mark(
          at,
          `Understood: ${words(intent).toLowerCase()}, ${Math.round(confidence * 100)} %`,
        ),
      turn: ({ total_ms: ms }) => talk.mark(at, `Answered after ${ms} ms`),
      gone: () => {
        state.textContent = 'Ended';
        talk.mark(at, 'The call has ended');
        watching.close();
      },
    });
  }

  const stream = follow(
    '/api/ops/live/events',
    { started: add, call: onCall },
    {
      onState: (state) => {
        showCut(state);
        if (state === 'open') fetchAll().catch(problem);
      },
      whenCut: async () => (await needSession()) !== null,
    },
  );

  // What began or ended while there was no stream.
  async function fetchAll() {
    const answer = await call('GET', '/api/ops/live');
    const now = answer.calls ?? answer;
    for (const [id, row] of calls) {
      if (now.some((view) => view.call_id === id)) continue;
      row.item.remove();
      calls.delete(id);
    }
    for (const view of now) {
      if (calls.has(view.call_id)) {
        calls.get(view.call_id).view = view;
        redraw(view.call_id);
      } else {
        add(view);
      }
    }
    showCount();
  }

  // Operations may be shown the floor or not; without it the calls have the page to themselves.
  let shown = '';
  const readFloor = async () => {
    try {
      const news = await call('GET', '/api/floor');
      if (lookOf(news) === shown) return;
      shown = lookOf(news);
      fill(
        floor,
        el('dl', { class: 'tiles', 'aria-label': 'In short' }, floorTiles(news)),
        el(
          'section',
          { class: 'panel floor' },
          el('h2', { class: 'head' }, 'Queues'),
          el('div', { class: 'scroll-x' }, queueTable(news)),
        ),
        el(
          'section',
          { class: 'panel floor' },
          el('h2', { class: 'head' }, 'Agents'),
          el('div', { class: 'scroll-x' }, agentTable(news)),
        ),
      );
    } catch (error) {
      if (error.status === 403 || error.status === 404) clearInterval(reading);
    }
  };
  const reading = setInterval(readFloor, FLOOR_PAUSE_MS);
  readFloor();

  // What cannot be had now stays as it was: that nothing comes through is said elsewhere.
  const readLoad = () =>
    call('GET', '/api/ops/load')
      .then((news) => fill(load, loadView(news)))
      .catch(() => {});
  const measuring = setInterval(readLoad, FLOOR_PAUSE_MS);
  readLoad();

  return () => {
    stream.close();
    watching?.close();
    clearInterval(reading);
    clearInterval(measuring);
  };
}
