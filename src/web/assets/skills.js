// What an agent is good at, to be changed: for supervisors and in accounts.

import { button, el } from './ui.js';

/** Rows of skills with their levels, and optionally languages. `read` gives what stands there. */
export function skillFields({ skills = {}, languages = null }) {
  const rows = el('div', { class: 'skills' });
  const add = (skill = '', level = 3) => {
    const row = el(
      'div',
      { class: 'row' },
      el('input', {
        'aria-label': 'Skill',
        value: skill,
        placeholder: 'billing',
        autocomplete: 'off',
        maxlength: 64,
      }),
      el('input', {
        'aria-label': 'Level, 1 to 5',
        type: 'number',
        min: 1,
        max: 5,
        required: true,
        value: level,
      }),
      button('', () => row.remove(), {
        look: 'quiet square',
        drawing: 'close',
        'aria-label': 'Remove this skill',
      }),
    );
    rows.append(row);
    return row;
  };
  Object.entries(skills).forEach(([skill, level]) => add(skill, level));
  const spoken =
    languages &&
    el('input', {
      id: 'languages',
      value: languages.join(', '),
      placeholder: 'en, es',
      autocomplete: 'off',
    });
  const node = el(
    'div',
    { class: 'skills' },
    el(
      'div',
      { class: 'field' },
      el('span', { class: 'label' }, 'Skills, 1 (a beginner) to 5 (an expert)'),
      rows,
      el(
        'div',
        {},
        button('Add a skill', () => add().querySelector('input').focus()),
      ),
    ),
    spoken &&
      el(
        'div',
        { class: 'field' },
        el('label', { for: 'languages' }, 'Languages'),
        spoken,
        el(
          'p',
          { class: 'hint' },
          'Tags such as en or es, with commas between. Empty: any language.',
        ),
      ),
  );
  const read = () => {
    const pairs = [...rows.children].map((row) =>
      [...row.querySelectorAll('input')].map((input) => input.value.trim()),
    );
    const read = {
      skills: Object.fromEntries(
        pairs.filter(([skill]) => skill !== '').map(([skill, level]) => [skill, Number(level)]),
      ),
    };
    if (spoken)
      read.languages = spoken.value
        .split(',')
        .map((tag) => tag.trim())
        .filter(Boolean);
    return read;
  };
  return { node, read };
}
