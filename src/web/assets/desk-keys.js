// The desk's keys, as they are shown; `desk.js` acts on them.

import { dialog, el, kept } from './ui.js';

/** Whether keys go into a field there. */
export const isTyping = (node) =>
  node?.matches?.(
    'input:not([type=radio], [type=checkbox], [type=range], [type=button]), textarea, select',
  ) ?? false;

const HELP = [
  [
    'Any time',
    [
      ['R', 'Ready'],
      ['A', 'Away: choose why, or go offline'],
      ['?', 'This list'],
    ],
  ],
  [
    'A call is offered',
    [
      ['T', 'Take it here'],
      ['P', 'Take it on your phone'],
      ['D', 'Decline'],
    ],
  ],
  [
    'In a call',
    [
      ['M', 'Mute'],
      ['H', 'Hold'],
      ['K', 'Keypad, then 0–9 * #'],
      ['X', 'Transfer'],
      ['C', 'Add a person'],
      ['F', 'Back to the front door for a task'],
      ['N', 'Write notes'],
      ['E E', 'End the call: pressed twice'],
    ],
  ],
  [
    'Wrap-up',
    [
      ['1–9', 'Choose the outcome'],
      ['N', 'Write notes'],
      ['Ctrl+Enter', 'Done'],
    ],
  ],
];

/** Shows the keys, and lets single ones be turned off. */
export function showHelp() {
  dialog(
    'Keyboard shortcuts',
    () => {
      const box = el('input', {
        type: 'checkbox',
        checked: kept.get('shortcuts', true),
        onchange: () => kept.set('shortcuts', box.checked),
      });
      return [
        el(
          'div',
          { class: 'help' },
          HELP.map(([title, rows]) =>
            el(
              'section',
              {},
              el('h3', {}, title),
              el(
                'dl',
                {},
                rows.map(([key, text]) =>
                  el('div', {}, el('dt', {}, el('kbd', {}, key)), el('dd', {}, text)),
                ),
              ),
            ),
          ),
        ),
        el(
          'label',
          { class: 'check' },
          box,
          'Single keys work (turn this off if you use speech input)',
        ),
      ];
    },
    { wide: true },
  );
}
