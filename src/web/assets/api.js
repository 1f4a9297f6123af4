// Requests to the server: JSON in and out, the CSRF header, and errors as sentences.

// The server's clock less ours, in ms: deadlines come in its time.
let skew = 0;
let csrf = null;

/** What went wrong with a request, as a sentence for whoever sits here. */
export class ApiError extends Error {
  constructor(status, message, fix) {
    super(message);
    this.name = 'ApiError';
    /** The HTTP status; 0 if there was no answer. */
    this.status = status;
    this.fix = fix;
  }
}

/** The server's time, in ms since 1970. */
export const serverNow = () => Date.now() + skew;

const inWords = {
  401: 'You are not signed in.',
  403: 'You may not do this.',
  404: 'This is not there any more.',
  409: 'This does not go together with what is going on now.',
  429: 'Too many tries. Wait a moment.',
  503: 'The server is busy. Try again in a moment.',
};

async function failure(response) {
  let told = {};
  try {
    told = await response.json();
  } catch {
    // Not ours: something in between has answered.
  }
  const message = told.error || inWords[response.status] || `The server said ${response.status}.`;
  return new ApiError(response.status, message, told.fix);
}

function noteClock(response, askedAt) {
  const date = Date.parse(response.headers.get('Date'));
  if (Number.isNaN(date)) return;
  // The header tells whole seconds: half a second more is right on average. Small differences are
  // that rounding.
  const now = date + 500 - (askedAt + Date.now()) / 2;
  skew = Math.abs(now) > 1500 ? now : 0;
}

/**
 * Asks the server. `json` is sent as JSON, `body` as it is with `type`. Gives the response if it is a
 * success, throws an ApiError otherwise.
 */
export async function ask(method, path, { json, body, type, token, keepalive } = {}) {
  const headers = {};
  if (json !== undefined) {
    body = JSON.stringify(json);
    type = 'application/json';
  }
  if (type) headers['Content-Type'] = type;
  if (token) headers.Authorization = `Bearer ${token}`;
  if (csrf && method !== 'GET') headers['X-CSRF-Token'] = csrf;
  const askedAt = Date.now();
  let response;
  try {
    response = await fetch(path, { method, headers, body, keepalive, cache: 'no-store' });
  } catch {
    throw new ApiError(0, 'The server cannot be reached. Check the network connection.');
  }
  noteClock(response, askedAt);
  if (!response.ok) throw await failure(response);
  return response;
}

async function read(response) {
  return response.status === 204 || !response.headers.get('Content-Type')?.includes('json')
    ? null
    : response.json();
}

/** Asks with JSON or nothing, gives the JSON that came back. A lost session leads to sign-in. */
export async function call(method, path, json, options = {}) {
  return read(await asStaff(() => ask(method, path, { json, ...options })));
}

/** Sends an SDP offer as somebody who is signed in, gives the answer. */
export async function exchangeSdp(path, sdp) {
  const send = () => ask('POST', path, { body: sdp, type: 'application/sdp' });
  return (await asStaff(send)).text();
}

// Another tab may have signed in again meanwhile: then the token that we know is an old one.
async function asStaff(send) {
  try {
    return await send();
  } catch (error) {
    if (error.status === 401) goAndSignIn();
    if (error.status !== 403) throw error;
    const before = csrf;
    await whoAmI();
    if (csrf === before) throw error;
    return send();
  }
}

/** Who is signed in, or null. */
export async function whoAmI() {
  try {
    const session = await (await ask('GET', '/api/session')).json();
    csrf = session.csrf;
    return session;
  } catch (error) {
    if (error.status === 401 || error.status === 403) return null;
    throw error;
  }
}

/** Who is signed in; whoever is not is led to sign-in and back here. */
export async function needSession() {
  const session = await whoAmI();
  if (!session || session.must_change_password) goAndSignIn();
  return session;
}

/** Signs in. */
export async function signIn(name, password) {
  const response = await ask('POST', '/api/session', { json: { name, password } });
  const session = await response.json();
  csrf = session.csrf;
  return session;
}

/** Signs out, whatever the server says to it. */
export async function signOut() {
  try {
    await ask('DELETE', '/api/session');
  } catch (error) {
    if (error.status !== 401) throw error;
  }
  location.assign('/sign-in');
}

/** Leaves for the sign-in page, which leads back here. */
export function goAndSignIn() {
  const here = location.pathname + location.hash;
  location.replace(`/sign-in?next=${encodeURIComponent(here)}`);
  throw new ApiError(401, inWords[401]);
}
