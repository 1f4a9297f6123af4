// A stream of events that comes back by itself, and says when it is gone.

const PAUSES_MS = [500, 1000, 2000, 4000, 8000, 15000];

/**
 * Opens the stream at `path`. `on` maps event names to what is done with their data; `onState` is
 * told `open` or `cut` at each change; `whenCut`, if given, is asked before each new try and ends
 * the stream by saying false.
 */
export function follow(path, on, { onState = () => {}, whenCut = async () => true } = {}) {
  let source = null;
  let failures = 0;
  let timer = 0;
  let closed = false;
  let state = '';

  const tell = (now) => {
    if (now === state) return;
    state = now;
    onState(now);
  };

  const open = () => {
    clearTimeout(timer);
    source?.close();
    source = new EventSource(path);
    source.onopen = () => {
      failures = 0;
      tell('open');
    };
    source.onerror = () => {
      source.close();
      tell('cut');
      again();
    };
    for (const [name, take] of Object.entries(on)) {
      source.addEventListener(name, (event) => take(JSON.parse(event.data)));
    }
  };

  const again = () => {
    const pause = PAUSES_MS[Math.min(failures, PAUSES_MS.length - 1)];
    failures += 1;
    clearTimeout(timer);
    // Up to a third more or less: after a restart of the server not all pages ask at once.
    timer = setTimeout(tryAgain, pause * (0.67 + Math.random() * 0.66));
  };

  const tryAgain = async () => {
    let goOn = true;
    try {
      goOn = await whenCut();
    } catch {
      // The server is not there: the try will show the same, and then comes the next.
    }
    if (closed) return;
    if (goOn) open();
    else close();
  };

  const online = () => {
    if (state === 'cut') tryAgain();
  };

  const close = () => {
    closed = true;
    clearTimeout(timer);
    source?.close();
    window.removeEventListener('online', online);
  };

  window.addEventListener('online', online);
  open();
  return { close };
}
