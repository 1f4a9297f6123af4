// Queues and agents as tables, for supervisors and operations.

import { clock, el, icon, stateWords, timer, waitWords, words } from './ui.js';
import { serverNow } from './api.js';

/** A head of columns: `[text, right?]`. */
export function head(...columns) {
  return el(
    'thead',
    {},
    el(
      'tr',
      {},
      columns.map(([text, right]) =>
        el('th', { scope: 'col', class: right ? 'right' : null }, text),
      ),
    ),
  );
}

const since = (seconds, at) => timer(Date.parse(at) - seconds * 1000);

function level(percent) {
  if (percent === null || percent === undefined) return el('span', { class: 'dim' }, '–');
  const [look, drawing] =
    percent >= 90 ? ['ok', 'check'] : percent >= 80 ? ['warn', 'warning'] : ['bad', 'warning'];
  return el('span', { class: `badge ${look}` }, icon(drawing), `${Math.round(percent)} %`);
}

function waiters(queue, at) {
  if (queue.waiting.length === 0) return null;
  return el(
    'ol',
    { class: 'waiters' },
    queue.waiting.map((one) =>
      el(
        'li',
        { class: 'badge' },
        el('span', { class: 'dim' }, `${one.position}.`),
        icon(one.kind === 'callback' ? 'back' : 'phone'),
        el('span', {}, one.kind === 'callback' ? 'callback' : 'on the line'),
        since(one.waited_s, at),
        one.offered_to && el('span', { class: 'dim' }, `offered to ${one.offered_to}`),
      ),
    ),
  );
}

/** All queues, each with who waits in it. */
export function queueTable({ queues, at }) {
  if (queues.length === 0)
    return el('p', { class: 'pad dim' }, 'No queue is served by people at desks.');
  return el(
    'table',
    {},
    head(
      ['Queue'],
      ['Waiting', true],
      ['Longest wait', true],
      ['Likely wait for one who comes now', true],
      ['Agents ready', true],
      ['Busy', true],
      ['In time today', true],
      ['Answered', true],
      ['Gave up', true],
    ),
    el(
      'tbody',
      {},
      queues.map((queue) => {
        const late = isLate(queue);
        return el(
          'tr',
          {},
          el('th', { scope: 'row' }, words(queue.name), waiters(queue, at)),
          el('td', { class: 'right big' }, String(queue.waiting.length)),
          el(
            'td',
            { class: 'right' },
            queue.waiting.length > 0
              ? el(
                  'span',
                  { class: late ? 'badge bad' : 'badge' },
                  late && icon('warning'),
                  since(queue.longest_wait_s, at),
                )
              : '–',
          ),
          el(
            'td',
            { class: 'right' },
            waitWords(queue.wait_from_s, queue.wait_to_s) || 'not known',
          ),
          el(
            'td',
            { class: queue.agents_ready > 0 ? 'right ok' : 'right warn' },
            String(queue.agents_ready),
          ),
          el('td', { class: 'right' }, String(queue.agents_busy)),
          el(
            'td',
            { class: 'right', title: `Answered within ${queue.answer_within_s} s` },
            level(queue.service_level_percent),
          ),
          el('td', { class: 'right' }, String(queue.answered_today)),
          el('td', { class: 'right' }, String(queue.abandoned_today)),
        );
      }),
    ),
  );
}

// Seconds go by by themselves on the page: they alone are no reason to make it anew.
const TICKING = new Set(['at', 'longest_wait_s', 'waited_s', 'for_s']);

const isLate = (queue) => queue.waiting.length > 0 && queue.longest_wait_s > queue.answer_within_s;

/** What of the floor would look different, as one text. */
export function lookOf(floor) {
  return JSON.stringify([floor, floor.queues.map(isLate)], (key, value) =>
    TICKING.has(key) ? undefined : value,
  );
}

const ORDER = ['offered', 'talking', 'wrap_up', 'ready', 'away', 'offline'];

/** All agents; `menuOf`, if given, makes what stands at the end of each row. */
export function agentTable({ agents, at }, menuOf) {
  if (agents.length === 0)
    return el('p', { class: 'pad dim' }, 'There are no accounts of agents yet.');
  const sorted = [...agents].sort(
    (a, b) =>
      ORDER.indexOf(a.state.state) - ORDER.indexOf(b.state.state) ||
      a.display_name.localeCompare(b.display_name),
  );
  return el(
    'table',
    {},
    head(
      ['Agent'],
      ['State'],
      ['For', true],
      ['Skills'],
      ['Calls today', true],
      ...(menuOf ? [['Change']] : []),
    ),
    el(
      'tbody',
      {},
      sorted.map((agent) =>
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, agent.display_name),
          el(
            'td',
            {},
            el(
              'span',
              { class: 'doing', data: { state: agent.state.state } },
              el('span', { class: 'dot' }),
              stateWords(agent.state),
            ),
          ),
          el(
            'td',
            { class: 'right' },
            agent.state.state === 'offline' ? '–' : since(agent.for_s, at),
          ),
          el(
            'td',
            {},
            el(
              'span',
              { class: 'row tight' },
              Object.entries(agent.skills).map(([skill, rank]) =>
                el('span', { class: 'badge' }, `${words(skill)} ${rank}`),
              ),
            ),
          ),
          el('td', { class: 'right' }, String(agent.calls_today)),
          menuOf && el('td', {}, menuOf(agent)),
        ),
      ),
    ),
  );
}

/** The floor in a few numbers. */
export function floorTiles({ queues, agents, at }) {
  const sum = (pick) => queues.reduce((all, queue) => all + pick(queue), 0);
  const longest = Math.max(
    0,
    ...queues.map((queue) => (queue.waiting.length > 0 ? queue.longest_wait_s : 0)),
  );
  const is = (...states) => agents.filter((agent) => states.includes(agent.state.state)).length;
  const answered = sum((queue) => queue.answered_today);
  const inTime = sum((queue) => (queue.service_level_percent ?? 0) * queue.answered_today);
  return [
    tile('Waiting', String(sum((queue) => queue.waiting.length))),
    tile('Longest wait', longest > 0 ? since(longest, at) : '–'),
    tile('Agents ready', `${is('ready')} of ${agents.length - is('offline')}`),
    tile('In calls', String(is('talking', 'offered'))),
    tile('In time today', answered > 0 ? `${Math.round(inTime / answered)} %` : '–'),
    tile('Gave up today', String(sum((queue) => queue.abandoned_today))),
  ];
}

/** A number with what it is. */
export const tile = (text, value) =>
  el(
    'div',
    { class: 'tile panel' },
    el('dt', { class: 'dim small' }, text),
    el('dd', { class: 'number' }, value),
  );

/** Time passed since a moment of the server, in words as on a clock. */
export const passed = (iso) => clock((serverNow() - Date.parse(iso)) / 1000);
