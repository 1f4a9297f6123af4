// Who said what: one list for the desk, operations and the caller's own page.

import { clock, el } from './ui.js';

const NAMES = { caller: 'Caller', frontdoor: 'Front door', agent: 'Agent' };

/**
 * A list of lines. `names` says who they are here; `label` names the list for screen readers, and
 * `live` has them read what comes. `onLine`, if given, is done when a line is clicked.
 */
export class Transcript {
  #seen = new Set();
  #names;
  #onLine;
  #times;
  #scroller;

  constructor({ label, names = {}, live = false, onLine = null, times = true }) {
    this.#names = { ...NAMES, ...names };
    this.#onLine = onLine;
    this.#times = times;
    this.list = el('ol', { class: 'talk' });
    this.node = el(
      'div',
      {
        class: 'scroll talkbox',
        tabindex: 0,
        role: live ? 'log' : 'region',
        'aria-label': label,
        'aria-live': live ? 'polite' : null,
      },
      this.list,
    );
    this.#scroller = this.node;
  }

  /** One more line; one that is there already is left out, as streams begin anew with what was. */
  add({ at_ms: atMs, speaker, text, detail }) {
    const key = `${atMs} ${speaker} ${text}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    const time = clock(atMs / 1000);
    const who = el(
      'span',
      { class: 'who' },
      el('span', {}, this.#names[speaker] ?? speaker),
      this.#times && el('span', { class: 'number' }, time),
      detail && el('span', {}, detail),
    );
    const said = this.#onLine
      ? el(
          'button',
          {
            type: 'button',
            class: 'said',
            title: 'Play from here',
            onclick: () => this.#onLine(atMs),
          },
          text,
        )
      : el('span', { class: 'said' }, text);
    this.#put(el('li', { data: { speaker, at: atMs } }, who, said), atMs);
  }

  // Lines come in order of when they were understood; they are shown in the order they were said.
  #put(item, atMs) {
    const box = this.#scroller;
    const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 60;
    let after = this.list.lastElementChild;
    while (after && Number(after.dataset.at) > atMs) after = after.previousElementSibling;
    if (after) after.after(item);
    else this.list.prepend(item);
    if (atEnd) box.scrollTop = box.scrollHeight;
  }

  /** Something that happened between lines, such as that an agent has come. */
  mark(atMs, text) {
    const key = `mark ${text} ${atMs}`;
    if (this.#seen.has(key)) return;
    this.#seen.add(key);
    this.#put(el('li', { class: 'mark', data: { at: atMs } }, text), atMs);
  }

  /** To the latest line. */
  toEnd() {
    this.#scroller.scrollTop = this.#scroller.scrollHeight;
  }

  get isEmpty() {
    return this.list.children.length === 0;
  }
}
