// Past calls: looking for them, reading them, hearing them.

import { call } from './api.js';
import { head } from './floor.js';
import { crmPart, factsPart, routePart, triedPart, wantPart, whoPart } from './handoff.js';
import { Transcript } from './transcript.js';
import { button, clock, el, fill, problem, when, words } from './ui.js';

const PAGE = 50;

/** What is in the search, kept while a record is read. */
let asked = {};

export async function recordsView(place, [id]) {
  if (id) await showRecord(place, id);
  else await showSearch(place);
}

// ---- looking for calls ----

async function showSearch(place) {
  const field = (name, label, input) =>
    el('div', { class: 'field' }, el('label', { for: `find-${name}` }, label), input);
  const input = (name, attributes) =>
    el('input', { id: `find-${name}`, name, value: asked[name] ?? '', ...attributes });
  const outcome = el(
    'select',
    { id: 'find-outcome', name: 'outcome' },
    [
      ['', 'Any'],
      ['contained', 'Done without a person'],
      ['handed_off', 'Handed over'],
      ['abandoned', 'Hung up early'],
      ['failed', 'Failed'],
    ].map(([value, text]) => el('option', { value, selected: value === asked.outcome }, text)),
  );
  const rows = el('tbody');
  const more = button('More', () => load(), { hidden: true });
  const none = el('p', { class: 'pad dim', role: 'status' });
  let next = null;

  const form = el(
    'form',
    {
      class: 'search',
      role: 'search',
      'aria-label': 'Calls',
      onsubmit: (event) => {
        event.preventDefault();
        asked = Object.fromEntries([...new FormData(form)].filter(([, value]) => value !== ''));
        next = null;
        fill(rows);
        load();
      },
    },
    field('text', 'Words, number or call', input('text', { type: 'search' })),
    field('from', 'From', input('from', { type: 'date' })),
    field('to', 'To', input('to', { type: 'date' })),
    field('outcome', 'Outcome', outcome),
    el('button', { class: 'button main' }, 'Search'),
  );

  fill(
    place,
    el(
      'section',
      { class: 'panel', 'aria-label': 'Records' },
      form,
      el(
        'div',
        { class: 'scroll-x' },
        el(
          'table',
          {},
          head(
            ['Time'],
            ['Caller'],
            ['Way in'],
            ['About'],
            ['Length', true],
            ['Ended'],
            ['Handed over'],
            ['Recording'],
          ),
          rows,
        ),
      ),
      none,
      el('div', { class: 'pad row' }, more),
    ),
  );

  async function load() {
    const query = new URLSearchParams({ ...asked, limit: PAGE });
    if (next) query.set('before', next);
    try {
      const answer = await call('GET', `/api/ops/calls?${query}`);
      rows.append(...answer.calls.map(row));
      next = answer.next;
      more.hidden = !next;
      none.textContent = rows.children.length === 0 ? 'No call is like that.' : '';
    } catch (error) {
      problem(error);
    }
  }
  await load();
}

function row(one) {
  const open = `#records/${encodeURIComponent(one.call_id)}`;
  return el(
    'tr',
    {
      class: 'open-row',
      onclick: () => {
        location.hash = open;
      },
    },
    el('td', { class: 'number' }, el('a', { href: open }, when(one.started_at))),
    el('td', { class: 'number' }, one.caller),
    el('td', {}, one.channel === 'web' ? 'Web' : 'Telephone'),
    el(
      'td',
      {},
      one.intents.map(words).join(', ') || el('span', { class: 'dim' }, 'not understood'),
    ),
    el('td', { class: 'right' }, one.duration_s === null ? '–' : clock(one.duration_s)),
    el('td', {}, words(one.result ?? 'in progress')),
    el('td', {}, one.handed_off ? 'Yes' : 'No'),
    el('td', {}, one.has_recording ? 'Yes' : 'No'),
  );
}

// ---- one call ----

const TURN_PARTS = ['network', 'endpoint', 'transcribe', 'understand', 'act', 'voice', 'playout'];

async function showRecord(place, id) {
  const record = await call('GET', `/api/ops/calls/${encodeURIComponent(id)}`);
  const summary = record.summary ?? record;
  const section = (title, ...children) =>
    el('section', { class: 'panel record' }, el('h2', { class: 'head' }, title), children);
  const player =
    (record.has_recording ?? summary.has_recording ?? Boolean(summary.recording)) &&
    el('audio', {
      controls: true,
      preload: 'metadata',
      src: `/api/ops/calls/${encodeURIComponent(id)}/recording`,
      'aria-label': 'Recording: the caller left, the front door right',
    });
  const talk = transcript(record, player);
  fill(
    place,
    el('p', {}, el('a', { href: '#records' }, 'Back to the search')),
    section(
      `Call of ${when(summary.started_at)}`,
      el('dl', { class: 'meta' }, facts(summary, record)),
      player && el('div', { class: 'pad' }, player),
    ),
    el(
      'div',
      { class: 'even' },
      section('Conversation', talk.node),
      el(
        'div',
        { class: 'page-inner' },
        (record.handoffs ?? []).map((one) => handoff(one.document ?? one)),
        turns(record.turns ?? [], section),
        tried(record.actions ?? [], section),
        moved(record.transfers ?? [], section),
      ),
    ),
  );
}

function facts(summary, { quality }) {
  const length =
    summary.ended_at && summary.answered_at
      ? clock((Date.parse(summary.ended_at) - Date.parse(summary.answered_at)) / 1000)
      : 'in progress';
  return [
    ['Caller', summary.caller],
    ['Called', summary.called],
    ['Way in', summary.channel === 'web' ? 'Web' : 'Telephone'],
    ['Profile', summary.profile],
    ['Length', length],
    ['Ended', [words(summary.result), summary.reason].filter(Boolean).join(': ')],
    ['Outcome', words(summary.outcome)],
    ['Encryption', summary.protection],
    ['Generation', summary.generation],
    quality && [
      'Audio heard',
      `${quality.codec}, ${quality.heard_loss_percent} % lost, MOS ${quality.heard_mos}`,
    ],
    ['Call', summary.call_id ?? summary.id],
  ]
    .filter((pair) => pair && pair[1])
    .map(([name, value]) => el('div', {}, el('dt', {}, name), el('dd', {}, String(value))));
}

function transcript(record, player) {
  const play =
    player &&
    ((atMs) => {
      player.currentTime = atMs / 1000;
      player.play();
    });
  const talk = new Transcript({ label: 'What was said', onLine: play || null });
  for (const line of record.lines ?? []) {
    const detail = [
      line.intent && `${words(line.intent)} ${Math.round((line.intent_confidence ?? 0) * 100)} %`,
      line.failed && 'not understood',
    ]
      .filter(Boolean)
      .join(', ');
    talk.add({ ...line, detail: detail || null });
  }
  if (talk.isEmpty) fill(talk.list, el('li', { class: 'mark' }, 'Nothing was said.'));
  player?.addEventListener('timeupdate', () => {
    const items = [...talk.list.children];
    const now = items.findLast((item) => Number(item.dataset.at) <= player.currentTime * 1000);
    for (const item of items) item.classList.toggle('playing', item === now && !player.paused);
  });
  return talk;
}

function handoff(document) {
  return el(
    'section',
    { class: 'panel' },
    el('h2', { class: 'head' }, 'Hand-off'),
    whoPart(document),
    wantPart(document),
    factsPart(document),
    triedPart(document),
    crmPart(document),
    routePart(document),
  );
}

function turns(list, section) {
  if (list.length === 0) return null;
  return section(
    'Turns',
    el(
      'div',
      { class: 'scroll-x' },
      el(
        'table',
        {},
        head(
          ['Turn', true],
          ...TURN_PARTS.map((name) => [words(name), true]),
          ['Altogether', true],
          ['Worked ahead'],
        ),
        el(
          'tbody',
          {},
          list.map((turn, at) =>
            el(
              'tr',
              {},
              el('td', { class: 'right' }, String(at + 1)),
              TURN_PARTS.map((name) => el('td', { class: 'right' }, String(turn[`${name}_ms`]))),
              el('td', { class: 'right' }, `${turn.total_ms} ms`),
              el('td', {}, turn.speculated ? 'yes' : 'no'),
            ),
          ),
        ),
      ),
    ),
  );
}

function tried(list, section) {
  if (list.length === 0) return null;
  return section(
    'Actions',
    el(
      'table',
      {},
      head(['At', true], ['Action'], ['Result'], ['Took', true]),
      el(
        'tbody',
        {},
        list.map((one) =>
          el(
            'tr',
            {},
            el('td', { class: 'right' }, clock(one.at_ms / 1000)),
            el('td', {}, one.action),
            el('td', {}, one.result),
            el('td', { class: 'right' }, `${one.took_ms} ms`),
          ),
        ),
      ),
    ),
  );
}

function moved(list, section) {
  if (list.length === 0) return null;
  return section(
    'Transfers',
    el(
      'table',
      {},
      head(['At', true], ['Queue'], ['Way'], ['Outcome'], ['Took', true]),
      el(
        'tbody',
        {},
        list.map((one) =>
          el(
            'tr',
            {},
            el('td', { class: 'right' }, clock(one.at_ms / 1000)),
            el('td', {}, words(one.queue)),
            el('td', {}, words(one.way)),
            el('td', {}, words(one.outcome)),
            el('td', { class: 'right' }, clock(one.took_ms / 1000)),
          ),
        ),
      ),
    ),
  );
}
