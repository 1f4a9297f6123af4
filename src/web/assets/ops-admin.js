// What admins do: accounts, tokens of other programs, and who saw or changed what.

import { call } from './api.js';
import { head } from './floor.js';
import { skillFields } from './skills.js';
import { busy, button, dialog, el, fill, notice, when, words } from './ui.js';

const ROLES = [
  ['agent', 'Agent: takes calls'],
  ['supervisor', 'Supervisor: and sees and changes the floor'],
  ['operations', 'Operations: live calls, records; no desk'],
  ['admin', 'Admin: everything'],
];
const SCOPES = [
  ['call', 'Place calls from a web page'],
  ['handoffs', 'Read hand-offs'],
  ['metrics', 'Read metrics'],
];

const listOf = (answer, name) => (Array.isArray(answer) ? answer : answer[name]);
const section = (title, tool, ...children) => el('section', { class: 'panel', 'aria-label': title },
  el('h2', { class: 'head' }, el('span', { class: 'grow' }, title), tool), children);

/** Asks before something that cannot be undone. */
const sure = (title, text, verb) => dialog(title, (done) => [
  el('p', {}, text),
  el('footer', {}, button('Cancel', () => done(), { autofocus: true }), button(verb, () => done(true), { look: 'stop' })),
]);

// ---- accounts ----

export async function accountsView(place, _rest, session) {
  const show = async () => {
    const accounts = listOf(await call('GET', '/api/admin/accounts'), 'accounts');
    fill(place, section('Accounts', button('Add an account', () => edit(null), { look: 'main' }),
      el('div', { class: 'scroll-x' }, el('table', {}, head(['Name'], ['Shown as'], ['Role'], ['Skills'], ['Change']),
        el('tbody', {}, accounts.map((account) => el('tr', {},
          el('th', { scope: 'row' }, account.name),
          el('td', {}, account.display_name, account.must_change_password && el('span', { class: 'dim small' }, ' (has not signed in yet)')),
          el('td', {}, words(account.role)),
          el('td', {}, el('span', { class: 'row tight' }, Object.entries(account.skills ?? {}).map(([skill, level]) => el('span', { class: 'badge' }, `${words(skill)} ${level}`)))),
          el('td', { class: 'right' }, el('span', { class: 'row' },
            button('Edit', () => edit(account), { 'aria-label': `Edit ${account.name}` }),
            account.name !== session.name && button('Remove', () => remove(account), { look: 'quiet', 'aria-label': `Remove ${account.name}` }))))))))));
  };
  const remove = async ({ name, display_name: shown }) => {
    if (!await sure(`Remove ${shown}?`, 'They are signed out and cannot sign in any more. Records of their calls stay.', 'Remove')) return;
    await busy(null, () => call('DELETE', `/api/admin/accounts/${encodeURIComponent(name)}`));
    await show();
  };
  const edit = async (account) => {
    if (await dialog(account ? `Account ${account.name}` : 'Add an account', (done) => accountForm(account, done), { wide: true })) await show();
  };
  await show();
}

function accountForm(account, done) {
  const id = (name) => `account-${name}`;
  const field = (name, label, input, hint) => el('div', { class: 'field' }, el('label', { for: id(name) }, label), input, hint && el('p', { class: 'hint' }, hint));
  const name = el('input', { id: id('name'), required: true, value: account?.name ?? '', disabled: account !== null, autocapitalize: 'none', autocomplete: 'off', pattern: '[a-z0-9][a-z0-9._\\-]*' });
  const shown = el('input', { id: id('shown'), required: true, value: account?.display_name ?? '', autocomplete: 'off' });
  const role = el('select', { id: id('role') }, ROLES.map(([value, text]) => el('option', { value, selected: value === account?.role }, text)));
  const password = el('input', { id: id('password'), type: 'text', minlength: 10, required: !account, autocomplete: 'off', spellcheck: 'false' });
  const skills = skillFields({ skills: account?.skills, languages: account?.languages ?? [] });
  const open = account && el('input', { type: 'checkbox', checked: !account.disabled_at });
  const submit = el('button', { class: 'button main' }, account ? 'Save' : 'Add');
  return el('form', {
    class: 'skills',
    onsubmit: async (event) => {
      event.preventDefault();
      const json = { display_name: shown.value.trim(), role: role.value, ...skills.read() };
      if (open) json.disabled = !open.checked;
      if (password.value) json.password = password.value;
      const saved = await busy(submit, () => (account
        ? call('PATCH', `/api/admin/accounts/${encodeURIComponent(account.name)}`, json)
        : call('POST', '/api/admin/accounts', { name: name.value.trim(), ...json })));
      if (saved) done(true);
    },
  },
  field('name', 'Name to sign in with', name, account ? null : 'Small letters, digits, dots and dashes'),
  field('shown', 'Shown as', shown, 'Colleagues and callers may see this.'),
  field('role', 'Role', role),
  field('password', account ? 'New password (leave empty to keep the present one)' : 'First password', password, 'They choose one of their own when they sign in.'),
  skills.node,
  open && el('label', { class: 'check' }, open, 'May sign in'),
  el('footer', {}, button('Cancel', () => done()), submit));
}

// ---- tokens ----

export async function tokensView(place) {
  const show = async () => {
    const tokens = listOf(await call('GET', '/api/admin/tokens'), 'tokens');
    fill(place, section('Tokens of other programs', button('Make a token', make, { look: 'main' }),
      tokens.length === 0 ? el('p', { class: 'pad dim' }, 'There are none.') : el('table', {}, head(['For'], ['May'], ['Made'], ['Used last'], ['Change']),
        el('tbody', {}, tokens.map((token) => el('tr', {},
          el('th', { scope: 'row' }, token.name), el('td', {}, (token.scopes ?? [token.scope]).join(', ')), el('td', {}, when(token.created_at)),
          el('td', {}, token.last_used_at ? when(token.last_used_at) : 'never'),
          el('td', { class: 'right' }, button('Revoke', () => revoke(token), { look: 'quiet', 'aria-label': `Revoke ${token.name}` }))))))));
  };
  const revoke = async (token) => {
    if (!await sure(`Revoke the token for ${token.name}?`, 'The program that has it is refused from now on.', 'Revoke')) return;
    await busy(null, () => call('DELETE', `/api/admin/tokens/${encodeURIComponent(token.id)}`));
    await show();
  };
  const make = async () => {
    const made = await dialog('Make a token', tokenForm);
    if (!made) return;
    await show();
    await dialog('Copy the token now', (done) => [
      el('p', {}, 'It is shown once and cannot be read again.'),
      el('p', { class: 'secret', tabindex: 0 }, made.token),
      el('footer', {}, button('Copy', async () => {
        await navigator.clipboard?.writeText(made.token);
        notice('Copied.');
      }), button('Done', () => done(), { look: 'main', autofocus: true })),
    ]);
  };
  await show();
}

function tokenForm(done) {
  const name = el('input', { id: 'token-name', required: true, autocomplete: 'off', autofocus: true });
  const boxes = SCOPES.map(([value, text]) => [el('input', { type: 'checkbox', value }), text]);
  const submit = el('button', { class: 'button main' }, 'Make');
  return el('form', {
    class: 'skills',
    onsubmit: async (event) => {
      event.preventDefault();
      const scopes = boxes.filter(([box]) => box.checked).map(([box]) => box.value);
      if (scopes.length === 0) {
        notice('Choose what it is for.', { problem: true });
        return;
      }
      await busy(submit, async () => done(await call('POST', '/api/admin/tokens', { name: name.value.trim(), scopes })));
    },
  },
  el('div', { class: 'field' }, el('label', { for: 'token-name' }, 'What it is for'), name),
  el('div', { role: 'group', 'aria-label': 'What it may do' }, boxes.map(([box, text]) => el('label', { class: 'check' }, box, text))),
  el('footer', {}, button('Cancel', () => done()), submit));
}

// ---- audit ----

export async function auditView(place) {
  const rows = el('tbody');
  const more = button('Older', () => load(), { hidden: true });
  let next = null;
  fill(place, section('Who saw or changed what', null, el('div', { class: 'scroll-x' }, el('table', {}, head(['When'], ['Who'], ['What'], ['About']), rows)), el('div', { class: 'pad row' }, more)));
  const load = async () => {
    const query = new URLSearchParams({ limit: 100 });
    if (next) query.set('before', next);
    const answer = await call('GET', `/api/admin/audit?${query}`);
    const entries = Array.isArray(answer) ? answer : answer.entries;
    rows.append(...entries.map((one) => el('tr', {}, el('td', { class: 'number' }, when(one.at)), el('td', {}, one.who), el('td', {}, words(one.what)), el('td', {}, one.about ?? ''))));
    next = answer.next ?? null;
    more.hidden = !next;
  };
  await load();
}
