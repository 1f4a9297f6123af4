// Today in numbers: how many calls, how many of them were done without a person, why the others
// were not, and how fast we answer.

import { call } from './api.js';
import { head, tile } from './floor.js';
import { reasonWords } from './handoff.js';
import { el, fill, words } from './ui.js';

const SVG = 'http://www.w3.org/2000/svg';
const PAUSE_MS = 30_000;

function shape(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text) node.textContent = text;
  return node;
}

/** Bars on one line, each drawn over the one before; the numbers stand beside it, so it is not read out. */
function bar(most, ...values) {
  const svg = shape('svg', {
    viewBox: '0 0 100 10',
    preserveAspectRatio: 'none',
    'aria-hidden': 'true',
  });
  for (const [value, look] of values)
    svg.append(
      shape('rect', { width: most > 0 ? (100 * value) / most : 0, height: 10, rx: 1, class: look }),
    );
  return el('td', { class: 'bar-cell' }, svg);
}

const section = (title, ...children) =>
  el('section', { class: 'panel' }, el('h2', { class: 'head' }, title), children);

function reasons(list) {
  if (list.length === 0)
    return section('Why people took over', el('p', { class: 'pad dim' }, 'Nobody had to, today.'));
  const most = Math.max(...list.map((one) => one.count));
  return section(
    'Why people took over',
    el(
      'table',
      { class: 'bars' },
      head(['Reason'], ['Share'], ['Calls', true]),
      el(
        'tbody',
        {},
        list.map((one) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, reasonWords(one.reason)),
            bar(most, [one.count, 'fill']),
            el('td', { class: 'right' }, String(one.count)),
          ),
        ),
      ),
    ),
  );
}

function latency({ p50_ms: p50, p95_ms: p95, parts }) {
  if (p50 === null || p50 === undefined)
    return section(
      'Response latency',
      el('p', { class: 'pad dim' }, 'No turn was answered today.'),
    );
  const most = Math.max(1, ...parts.map((part) => part.p95_ms));
  const key = (look) => {
    const svg = shape('svg', { viewBox: '0 0 10 10', 'aria-hidden': 'true' });
    svg.append(shape('rect', { width: 10, height: 10, class: look }));
    return svg;
  };
  return section(
    'Response latency',
    el(
      'table',
      { class: 'bars' },
      head(['Part'], ['Compared'], ['Half of turns within', true], ['95 % within', true]),
      el(
        'tbody',
        {},
        parts.map((part) =>
          el(
            'tr',
            {},
            el('th', { scope: 'row' }, words(part.part)),
            bar(most, [part.p95_ms, 'fill-soft'], [part.p50_ms, 'fill']),
            el('td', { class: 'right' }, `${Math.round(part.p50_ms)} ms`),
            el('td', { class: 'right' }, `${Math.round(part.p95_ms)} ms`),
          ),
        ),
        el(
          'tr',
          {},
          el('th', { scope: 'row' }, 'Altogether'),
          el('td', {}),
          el('td', { class: 'right' }, el('strong', {}, `${Math.round(p50)} ms`)),
          el('td', { class: 'right' }, el('strong', {}, `${Math.round(p95)} ms`)),
        ),
      ),
    ),
    el(
      'p',
      { class: 'legend' },
      el('span', {}, key('fill'), 'half of turns'),
      el('span', {}, key('fill-soft'), '95 % of turns'),
    ),
  );
}

function hours(list) {
  const width = 24 * 30;
  const most = Math.max(1, ...list.map((one) => one.calls));
  const svg = shape('svg', {
    viewBox: `0 0 ${width} 190`,
    class: 'hours',
    role: 'img',
    'aria-label':
      list.length > 0
        ? `Calls by hour: ${list.map((one) => `${one.hour} o'clock ${one.calls}`).join(', ')}`
        : 'No calls yet today',
  });
  for (const { hour, calls } of list) {
    const height = (calls / most) * 140;
    svg.append(
      shape('rect', { x: hour * 30 + 4, y: 165 - height, width: 22, height, rx: 3, class: 'fill' }),
    );
    if (calls > 0) svg.append(shape('text', { x: hour * 30 + 15, y: 160 - height }, String(calls)));
  }
  for (let hour = 0; hour < 24; hour += 1)
    svg.append(shape('text', { x: hour * 30 + 15, y: 182 }, String(hour)));
  return section('Calls by hour', el('div', { class: 'pad' }, svg));
}

export async function todayView(place) {
  const show = async () => {
    const today = await call('GET', '/api/ops/today');
    const share = today.containment_percent;
    fill(
      place,
      el(
        'dl',
        { class: 'tiles', 'aria-label': 'Today in short' },
        tile('Calls', String(today.calls)),
        tile('Done without a person', String(today.contained)),
        tile('Containment', share === null || share === undefined ? '–' : `${Math.round(share)} %`),
        tile('Handed over', String(today.handed_over)),
        tile(
          'Answered within (half of turns)',
          today.latency?.p50_ms ? `${Math.round(today.latency.p50_ms)} ms` : '–',
        ),
      ),
      el('div', { class: 'even' }, reasons(today.reasons), latency(today.latency ?? {})),
      hours(today.by_hour),
    );
  };
  await show();
  const timer = setInterval(() => show().catch(() => {}), PAUSE_MS);
  return () => clearInterval(timer);
}
