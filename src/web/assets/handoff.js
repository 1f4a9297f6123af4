// A hand-off as people read it: who, what they want, what is known and how, what was tried. Used at
// the desk before a call is taken, during it, and in operations' records.

import { clock, el, icon, words } from './ui.js';

const REASONS = {
  asked: 'Asked for a person',
  policy: 'A person does this',
  low_confidence: 'It never became clear what they want',
  repeated_failure: 'The same step failed too often',
  outage: 'A system was down',
  out_of_scope: 'Not done by the front door',
};

// How a fact is known: a word and a drawing, and a colour on top.
const KNOWN = {
  said: ['said', 'said', 'The caller said it'],
  keyed: ['keyed', 'keyed', 'The caller keyed it'],
  crm: ['crm', 'CRM', 'From the customer system'],
  verified: ['verified', 'verified', 'Checked by a verification'],
};

const SIGNALS = [
  ['abuses', 'insulting'],
  ['frustrations', 'out of patience'],
  ['failed_turns', 'not understood'],
  ['repeats', 'asked to repeat'],
  ['interruptions', 'interrupted us'],
  ['silences', 'silent'],
];

/** Why a person is needed, in words. */
export const reasonWords = (reason) => REASONS[reason] ?? words(reason);

/** The caller's name, as the customer system has it. */
export function callerName({ crm, slots }) {
  const record = crm ?? {};
  const whole = record.customer_name ?? record.full_name ?? record.name ?? record.first_name;
  const said = slots.find((slot) => /(^|_)name$/.test(slot.name));
  return String(whole ?? said?.value ?? '');
}

function language(tag) {
  try {
    return new Intl.DisplayNames(undefined, { type: 'language' }).of(tag);
  } catch {
    return tag;
  }
}

const badge = (look, drawing, text, title) =>
  el('span', { class: `badge ${look}`, title }, icon(drawing), el('span', {}, text));

function verification(check) {
  if (!check) return badge('warn', 'warning', 'Not verified');
  const method = words(check.method).toLowerCase();
  const tries = check.tries === 1 ? '1 try' : `${check.tries} tries`;
  return (
    {
      passed: badge('ok', 'verified', `Verified: ${method}`, tries),
      failed: badge('bad', 'warning', `Verification failed: ${method}, ${tries}`),
    }[check.result] ?? badge('warn', 'warning', `Verification not completed: ${method}`)
  );
}

const part = (title, ...children) =>
  el('section', { class: 'part' }, el('h3', {}, title), ...children);

/** Who calls, how sure that is, why they need a person, and signs of trouble. */
export function whoPart(handoff) {
  const name = callerName(handoff);
  const signals = SIGNALS.filter(([key]) => handoff.signals[key] > 0);
  const bad = new Set(['abuses', 'frustrations']);
  return el(
    'section',
    { class: 'part who' },
    el('h3', { class: 'name' }, name || 'Unknown caller'),
    el(
      'p',
      { class: 'dim small' },
      el('span', { class: 'number' }, handoff.caller),
      ` · ${handoff.channel === 'web' ? 'from the web page' : 'by telephone'} · ${language(handoff.language)}`,
    ),
    el(
      'div',
      { class: 'row' },
      verification(handoff.verification),
      signals.map(([key, text]) =>
        badge(bad.has(key) ? 'bad' : 'warn', 'warning', `${text} ×${handoff.signals[key]}`),
      ),
      signals.length === 0 && badge('', 'check', 'No signs of trouble'),
    ),
    el(
      'p',
      { class: 'small' },
      el('span', { class: 'dim' }, 'Why a person: '),
      reasonWords(handoff.reason),
    ),
  );
}

/** What they want, in their own words, and what we make of it. */
export function wantPart(handoff) {
  const intent = handoff.intent;
  const sure =
    intent &&
    (intent.confidence >= 0.8 ? 'clear' : intent.confidence >= 0.5 ? 'fairly clear' : 'unsure');
  return part(
    'Wants',
    intent
      ? el(
          'p',
          { class: 'want' },
          el('strong', {}, words(intent.name)),
          el('span', { class: 'dim small' }, `${sure}, ${Math.round(intent.confidence * 100)} %`),
        )
      : el('p', { class: 'want' }, el('strong', {}, 'Not understood yet')),
    intent?.words && el('blockquote', {}, `“${intent.words}”`),
    el('p', { class: 'summary' }, handoff.summary),
  );
}

/** What the agent might say first. */
export function firstPart(line) {
  return (
    line && el('section', { class: 'part first' }, el('h3', {}, 'Say first'), el('p', {}, line))
  );
}

function known(provenance) {
  const [drawing, text, title] = KNOWN[provenance] ?? ['info', provenance, ''];
  return el('span', { class: `known ${provenance}`, title }, icon(drawing), text);
}

/** What is known, each with how. */
export function factsPart({ slots }) {
  if (slots.length === 0) return part('Known', el('p', { class: 'dim' }, 'Nothing yet.'));
  return part(
    'Known',
    el(
      'dl',
      { class: 'facts' },
      slots.map((slot) =>
        el(
          'div',
          {},
          el('dt', {}, words(slot.name)),
          el(
            'dd',
            { class: 'value number' },
            slot.value,
            slot.confidence < 0.8 &&
              el(
                'span',
                { class: 'warn small' },
                ` unsure, ${Math.round(slot.confidence * 100)} %`,
              ),
          ),
          el('dd', {}, known(slot.provenance)),
        ),
      ),
    ),
  );
}

const RESULTS = { done: ['ok', 'check'], 'not found': ['warn', 'warning'] };

/** What was tried, and what came of it. */
export function triedPart({ actions }) {
  if (actions.length === 0)
    return part('Tried', el('p', { class: 'dim' }, 'Nothing was done in a system.'));
  return part(
    'Tried',
    el(
      'ul',
      { class: 'tried' },
      actions.map((action) => {
        const [look, drawing] = RESULTS[action.result] ?? ['bad', 'warning'];
        return el(
          'li',
          {},
          el('span', { class: 'number dim small' }, clock(action.at_ms / 1000)),
          el('span', { class: 'grow' }, words(action.action.split('.').at(-1))),
          badge(look, drawing, action.result.replaceAll('_', ' ')),
        );
      }),
    ),
  );
}

function plain(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value)) return value.map(plain).join(', ');
  if (typeof value === 'object')
    return Object.entries(value)
      .map(([key, one]) => `${words(key)}: ${plain(one)}`)
      .join(', ');
  return String(value);
}

/** The customer's record. */
export function crmPart(handoff) {
  const name = callerName(handoff);
  const rows = Object.entries(handoff.crm ?? {})
    // The name stands on top in large letters.
    .filter(([key, value]) => plain(value) !== '' && plain(value) !== name && key !== 'first_name');
  if (rows.length === 0)
    return part(
      'Customer system',
      el('p', { class: 'dim' }, 'No record was found for this caller.'),
    );
  return part(
    'Customer system',
    el(
      'dl',
      { class: 'facts two' },
      rows.map(([key, value]) =>
        el('div', {}, el('dt', {}, words(key)), el('dd', { class: 'value number' }, plain(value))),
      ),
    ),
  );
}

/** Where the call was meant to go. */
export function routePart(handoff) {
  return el(
    'p',
    { class: 'dim small route' },
    [
      `Queue ${words(handoff.queue).toLowerCase()}`,
      handoff.skills.length > 0 && `skills ${handoff.skills.join(', ')}`,
      `priority ${handoff.priority}`,
      `called ${handoff.called}`,
    ]
      .filter(Boolean)
      .join(' · '),
  );
}
