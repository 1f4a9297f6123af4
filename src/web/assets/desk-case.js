// One caller's case on the screen: the hand-off, what is said, and notes. It stays the same from the
// offer through the call to the work after it, so that nothing jumps when the call is taken.

import {
  crmPart,
  factsPart,
  firstPart,
  routePart,
  triedPart,
  wantPart,
  whoPart,
} from './handoff.js';
import { Transcript } from './transcript.js';
import { el, fill } from './ui.js';

const noteKey = (callId) => `frontdoor-notes-${callId}`;

// Notes outlive a reload of the page, and end with the tab.
const draft = {
  get(callId) {
    try {
      return JSON.parse(sessionStorage.getItem(noteKey(callId))) ?? {};
    } catch {
      return {};
    }
  },
  set(callId, value) {
    try {
      sessionStorage.setItem(noteKey(callId), JSON.stringify(value));
    } catch {
      // They are on the screen still, and are sent when the call is done.
    }
  },
  drop(callId) {
    try {
      sessionStorage.removeItem(noteKey(callId));
    } catch {
      // Nothing was kept, then.
    }
  },
};

/** Forgets notes of calls that are done or that somebody else had. */
export function dropDrafts() {
  try {
    Object.keys(sessionStorage)
      .filter((key) => key.startsWith(noteKey('')))
      .forEach((key) => sessionStorage.removeItem(key));
  } catch {
    // Nothing was kept.
  }
}

const LAST = 'frontdoor-last-call';

/** The call whose wrap-up this may be after a reload. */
export const lastCall = {
  get() {
    try {
      return sessionStorage.getItem(LAST) ?? '';
    } catch {
      return '';
    }
  },
  set(callId) {
    try {
      sessionStorage.setItem(LAST, callId);
    } catch {
      // A reload in wrap-up begins with empty notes, then.
    }
  },
};

export class Case {
  #changed;
  #disposition = '';
  #chips;

  /** `handoff` may be null: after a reload in wrap-up only the call's name is known. */
  constructor({ callId, handoff, firstLine = '', dispositions, changed }) {
    this.callId = callId;
    this.handoff = handoff;
    this.#changed = changed;
    this.talk = new Transcript({
      label: 'What was said',
      live: false,
      names: { frontdoor: 'Front door', agent: 'You' },
    });
    for (const line of handoff?.transcript ?? []) this.talk.add(line);
    const column = (label, ...children) =>
      el('section', { class: 'panel column', tabindex: 0, 'aria-label': label }, children);
    this.node = el(
      'div',
      { class: 'case' },
      handoff && column('The caller', whoPart(handoff), firstPart(firstLine), wantPart(handoff)),
      handoff &&
        column(
          'What is known',
          factsPart(handoff),
          triedPart(handoff),
          crmPart(handoff),
          routePart(handoff),
        ),
      el(
        'div',
        { class: 'side' },
        handoff &&
          el(
            'section',
            { class: 'panel convo', 'aria-label': 'Conversation' },
            el('h2', { class: 'head' }, 'Conversation'),
            this.talk.node,
          ),
        this.#notes(dispositions),
      ),
    );
  }

  #notes(dispositions) {
    const before = draft.get(this.callId);
    this.#disposition = dispositions.includes(before.disposition) ? before.disposition : '';
    this.text = el('textarea', {
      id: 'notes',
      rows: 3,
      maxlength: 4000,
      oninput: () => this.#keep(),
    });
    this.text.value = before.notes ?? '';
    this.#chips = dispositions.map((name, at) =>
      el(
        'label',
        { class: 'chip' },
        el('input', {
          type: 'radio',
          name: 'disposition',
          value: name,
          checked: name === this.#disposition,
          onchange: () => this.choose(at),
        }),
        el('span', {}, name.replaceAll('_', ' ')),
        at < 9 && el('kbd', { 'aria-hidden': 'true' }, String(at + 1)),
      ),
    );
    this.outcome = el(
      'fieldset',
      { class: 'outcome', hidden: true },
      el('legend', { class: 'label' }, 'Outcome'),
      this.#chips,
    );
    this.notes = el(
      'section',
      { class: 'panel notes', 'aria-label': 'Notes', hidden: true },
      this.outcome,
      el(
        'label',
        { class: 'label', for: 'notes' },
        'Notes ',
        el('kbd', { 'aria-hidden': 'true' }, 'N'),
      ),
      this.text,
    );
    return this.notes;
  }

  #keep() {
    draft.set(this.callId, { notes: this.text.value, disposition: this.#disposition });
    this.#changed();
  }

  /** Chooses the outcome at this place of the list. */
  choose(at) {
    const radio = this.#chips[at]?.querySelector('input');
    if (!radio) return;
    radio.checked = true;
    this.#disposition = radio.value;
    this.#keep();
  }

  /** What stands there to be kept. */
  get wrapUp() {
    return { disposition: this.#disposition || null, notes: this.text.value.trim() || null };
  }

  /** Shows what this part of the case needs: `offer`, `call` or `wrap`. */
  show(part) {
    this.node.dataset.part = part;
    this.notes.hidden = part === 'offer';
    this.outcome.hidden = part !== 'wrap' || this.#chips.length === 0;
  }

  /** Says in the list that the agent came. */
  markTaken(atMs) {
    this.talk.mark(atMs, 'You took the call');
  }

  /** The work on it is done. */
  drop() {
    draft.drop(this.callId);
  }
}

/** The line above a case. */
export function caseBar(look, ...children) {
  return fill(el('section', { class: `panel casebar ${look}`, 'aria-label': 'Call' }), children);
}
