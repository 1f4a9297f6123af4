// How busy the machine is, and what is done about it.

import { tile } from './floor.js';
import { el, words } from './ui.js';

const EFFORTS = {
  full: 'Everything is done for callers',
  no_speculation: 'Answers are no longer worked out ahead',
  small_hearing: 'What was heard gets no second opinion',
  keypad_menu: 'New callers press a key in place of talking',
  straight_to_people: 'New callers go to people at once',
};

/** How it stands, as tiles; and a note while less than everything is done. */
export function loadView(load) {
  const note = load.refuses_calls
    ? 'New calls are refused: it is too much even so'
    : (EFFORTS[load.effort] ?? words(load.effort));
  const p95 = load.latency_p95_ms;
  return [
    (load.effort !== 'full' || load.refuses_calls) &&
      el('p', { class: load.refuses_calls ? 'note bad' : 'note warn' }, note),
    el(
      'dl',
      { class: 'tiles', 'aria-label': 'How busy the machine is' },
      tile('Talking with us', `${load.calls_conversing} of ${load.calls_conversing_max}`),
      tile('Answered within, lately', p95 ? `${p95} ms` : '–'),
      tile('Processor, by us', `${load.cpu_percent} %`),
      tile('Processor, by all', `${load.machine_cpu_percent} %`),
    ),
  ];
}
