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

const section = (title, tool, ...children) =>
  el(
    'section',
    { class: 'panel', 'aria-label': title },
    el('h2', { class: 'head' }, el('span', { class: 'grow' }, title), tool),
    children,
  );

/** Asks before something that cannot be undone. */
const sure = (title, text, verb) =>
  dialog(title, (done) => [
    el('p', {}, text),
    el(
      'footer',
      {},
      button('Cancel', () => done(), { autofocus: true }),
      button(verb, () => done(true), { look: 'stop' }),
    ),
  ]);

/** Shows a secret that only its digest is kept of. */
const showOnce = (title, text, secret) =>
  dialog(title, (done) => [
    el('p', {}, text, ' It is shown once and cannot be read again.'),
    el('p', { class: 'secret' }, secret),
    el(
      'footer',
      {},
      button('Copy', async () => {
        try {
          await navigator.clipboard.writeText(secret);
          notice('Copied.');
        } catch {
          notice('It could not be copied: select it and copy it by hand.', { problem: true });
        }
      }),
      button('Done', () => done(), { look: 'main', autofocus: true }),
    ),
  ]);

// ---- accounts ----

export async function accountsView(place, _rest, session) {
  const show = async () => {
    const accounts = (await call('GET', '/api/admin/accounts')).accounts;
    fill(
      place,
      section(
        'Accounts',
        button('Add an account', () => edit(null), { look: 'main' }),
        el(
          'div',
          { class: 'scroll-x' },
          el(
            'table',
            {},
            head(['Name'], ['Shown as'], ['Role'], ['Skills'], ['Change']),
            el(
              'tbody',
              {},
              accounts.map((account) =>
                el(
                  'tr',
                  {},
                  el('th', { scope: 'row' }, account.name),
                  el(
                    'td',
                    {},
                    account.display_name,
                    account.must_change &&
                      el('span', { class: 'dim small' }, ' (has to choose a password)'),
                    account.disabled_at && el('span', { class: 'badge warn' }, 'may not sign in'),
                  ),
                  el('td', {}, words(account.role)),
                  el(
                    'td',
                    {},
                    el(
                      'span',
                      { class: 'row tight' },
                      Object.entries(account.skills ?? {}).map(([skill, level]) =>
                        el('span', { class: 'badge' }, `${words(skill)} ${level}`),
                      ),
                    ),
                  ),
                  el(
                    'td',
                    { class: 'right' },
                    el(
                      'span',
                      { class: 'row' },
                      button('Edit', () => edit(account), { 'aria-label': `Edit ${account.name}` }),
                      account.name !== session.name &&
                        button('Remove', () => remove(account), {
                          look: 'quiet',
                          'aria-label': `Remove ${account.name}`,
                        }),
                    ),
                  ),
                ),
              ),
            ),
          ),
        ),
      ),
    );
  };
  const remove = async ({ name, display_name: shown }) => {
    if (
      !(await sure(
        `Remove ${shown}?`,
        'They are signed out and cannot sign in any more. Records of their calls stay.',
        'Remove',
      ))
    )
      return;
    await busy(null, () => call('DELETE', `/api/admin/accounts/${encodeURIComponent(name)}`));
    await show();
  };
  const edit = async (account) => {
    const saved = await dialog(
      account ? `Account ${account.name}` : 'Add an account',
      (done) => accountForm(account, done),
      { wide: true },
    );
    if (!saved) return;
    await show();
    if (saved.password)
      await showOnce(
        'The first password',
        `Give it to ${saved.account.display_name}.`,
        saved.password,
      );
  };
  await show();
}

/** What of an account is to be different: some changes sign people out, so nothing is sent along. */
function changes(account, wanted) {
  const now = { ...account, disabled: Boolean(account.disabled_at) };
  return Object.fromEntries(
    Object.entries(wanted).filter(
      ([key, value]) => JSON.stringify(value) !== JSON.stringify(now[key]),
    ),
  );
}

function accountForm(account, done) {
  const id = (name) => `account-${name}`;
  const field = (name, label, input, hint) =>
    el(
      'div',
      { class: 'field' },
      el('label', { for: id(name) }, label),
      input,
      hint && el('p', { class: 'hint' }, hint),
    );
  const name = el('input', {
    id: id('name'),
    required: true,
    value: account?.name ?? '',
    disabled: account !== null,
    autocapitalize: 'none',
    autocomplete: 'off',
    pattern: '[a-z0-9][a-z0-9._\\-]*',
  });
  const shown = el('input', {
    id: id('shown'),
    required: true,
    value: account?.display_name ?? '',
    autocomplete: 'off',
  });
  const role = el(
    'select',
    { id: id('role') },
    ROLES.map(([value, text]) => el('option', { value, selected: value === account?.role }, text)),
  );
  const password = el('input', {
    id: id('password'),
    type: 'text',
    minlength: 10,
    autocomplete: 'off',
    spellcheck: 'false',
  });
  const skills = skillFields({ skills: account?.skills, languages: account?.languages ?? [] });
  const open = account && el('input', { type: 'checkbox', checked: !account.disabled_at });
  const submit = el('button', { class: 'button main' }, account ? 'Save' : 'Add');
  return el(
    'form',
    {
      class: 'skills',
      onsubmit: async (event) => {
        event.preventDefault();
        const all = { display_name: shown.value.trim(), role: role.value, ...skills.read() };
        if (open) all.disabled = !open.checked;
        const json = account ? changes(account, all) : all;
        if (password.value) json.password = password.value;
        let answer = null;
        const saved = await busy(submit, async () => {
          answer = account
            ? await call('PATCH', `/api/admin/accounts/${encodeURIComponent(account.name)}`, json)
            : await call('POST', '/api/admin/accounts', { name: name.value.trim(), ...json });
        });
        if (saved) done(answer);
      },
    },
    field(
      'name',
      'Name to sign in with',
      name,
      account ? null : 'Small letters, digits, dots and dashes',
    ),
    field('shown', 'Shown as', shown, 'Colleagues and callers may see this.'),
    field('role', 'Role', role),
    field(
      'password',
      account ? 'New password (empty: it stays)' : 'First password (empty: one is made)',
      password,
      'They choose one of their own when they sign in.',
    ),
    skills.node,
    open && el('label', { class: 'check' }, open, 'May sign in'),
    el(
      'footer',
      {},
      button('Cancel', () => done()),
      submit,
    ),
  );
}

// ---- tokens ----

export async function tokensView(place) {
  const show = async () => {
    const tokens = (await call('GET', '/api/admin/tokens')).tokens;
    fill(
      place,
      section(
        'Tokens of other programs',
        button('Make a token', make, { look: 'main' }),
        tokens.length === 0
          ? el('p', { class: 'pad dim' }, 'There are none.')
          : el(
              'table',
              {},
              head(['For'], ['May'], ['Made'], ['Used last'], ['Change']),
              el(
                'tbody',
                {},
                tokens.map((token) =>
                  el(
                    'tr',
                    {},
                    el('th', { scope: 'row' }, token.name),
                    el('td', {}, token.scopes.join(', ')),
                    el('td', {}, when(token.created_at)),
                    el('td', {}, token.last_used_at ? when(token.last_used_at) : 'never'),
                    el(
                      'td',
                      { class: 'right' },
                      button('Revoke', () => revoke(token), {
                        look: 'quiet',
                        'aria-label': `Revoke ${token.name}`,
                      }),
                    ),
                  ),
                ),
              ),
            ),
      ),
    );
  };
  const revoke = async (token) => {
    if (
      !(await sure(
        `Revoke the token for ${token.name}?`,
        'The program that has it is refused from now on.',
        'Revoke',
      ))
    )
      return;
    await busy(null, () => call('DELETE', `/api/admin/tokens/${encodeURIComponent(token.id)}`));
    await show();
  };
  const make = async () => {
    const made = await dialog('Make a token', tokenForm);
    if (!made) return;
    await show();
    await showOnce('Copy the token now', `It is for ${made.name}.`, made.token);
  };
  await show();
}

function tokenForm(done) {
  const name = el('input', {
    id: 'token-name',
    required: true,
    autocomplete: 'off',
    autofocus: true,
  });
  const boxes = SCOPES.map(([value, text]) => [el('input', { type: 'checkbox', value }), text]);
  const submit = el('button', { class: 'button main' }, 'Make');
  return el(
    'form',
    {
      class: 'skills',
      onsubmit: async (event) => {
        event.preventDefault();
        const scopes = boxes.filter(([box]) => box.checked).map(([box]) => box.value);
        if (scopes.length === 0) {
          notice('Choose what it is for.', { problem: true });
          return;
        }
        await busy(submit, async () =>
          done(await call('POST', '/api/admin/tokens', { name: name.value.trim(), scopes })),
        );
      },
    },
    el('div', { class: 'field' }, el('label', { for: 'token-name' }, 'What it is for'), name),
    el(
      'div',
      { role: 'group', 'aria-label': 'What it may do' },
      boxes.map(([box, text]) => el('label', { class: 'check' }, box, text)),
    ),
    el(
      'footer',
      {},
      button('Cancel', () => done()),
      submit,
    ),
  );
}

// ---- audit ----

// Accounts need no word before their name.
const WHO = { token: 'Token ', command_line: 'Command line', nobody: 'Nobody signed in' };

export async function auditView(place) {
  const rows = el('tbody');
  const more = button('Older', () => load(), { hidden: true });
  let next = null;
  fill(
    place,
    section(
      'Who saw or changed what',
      null,
      el(
        'div',
        { class: 'scroll-x' },
        el('table', {}, head(['When'], ['Who'], ['What'], ['About'], ['From']), rows),
      ),
      el('div', { class: 'pad row' }, more),
    ),
  );
  const load = async () => {
    const query = new URLSearchParams({ limit: 100 });
    if (next) query.set('before', next);
    const answer = await call('GET', `/api/admin/audit?${query}`);
    rows.append(
      ...answer.entries.map((one) =>
        el(
          'tr',
          {},
          el('td', { class: 'number' }, when(one.at)),
          el('td', {}, WHO[one.kind] ?? '', one.who),
          el('td', {}, words(one.what)),
          el('td', {}, one.about),
          el('td', { class: 'number dim' }, one.source),
        ),
      ),
    );
    next = answer.next;
    more.hidden = next === null;
  };
  await load();
}
