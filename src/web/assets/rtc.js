// A line to the front door: microphone, peer connection, level, tones.

/** Why there is no line, as a sentence. */
export class LineError extends Error {
  constructor(kind, message) {
    super(message);
    this.name = 'LineError';
    this.kind = kind;
  }
}

const MICROPHONE = {
  NotAllowedError: [
    'denied',
    'The microphone is blocked. Allow it in the address bar of the browser, then try again.',
  ],
  SecurityError: [
    'denied',
    'This page may not use the microphone. The site it is part of has to allow it.',
  ],
  NotFoundError: ['no_microphone', 'No microphone was found. Plug one in, then try again.'],
  OverconstrainedError: [
    'no_microphone',
    'The chosen microphone is not there any more. Choose another one.',
  ],
  NotReadableError: [
    'in_use',
    'The microphone cannot be used. Another program may have it; close that, then try again.',
  ],
  AbortError: ['in_use', 'The microphone stopped. Try again.'],
};

/** Opens a microphone; throws a LineError that says what to do. */
export async function openMicrophone(deviceId) {
  if (!window.isSecureContext) {
    throw new LineError('insecure', 'Calls need a secure page. Open this page with https.');
  }
  if (!navigator.mediaDevices?.getUserMedia || !window.RTCPeerConnection) {
    throw new LineError(
      'unsupported',
      'This browser cannot make calls. Try a current version of another one.',
    );
  }
  const audio = {
    echoCancellation: true,
    noiseSuppression: true,
    autoGainControl: true,
    channelCount: 1,
  };
  try {
    return await navigator.mediaDevices.getUserMedia({
      audio: deviceId ? { ...audio, deviceId: { exact: deviceId } } : audio,
    });
  } catch (error) {
    // One that was chosen once and is gone now: any other is better than none.
    if (deviceId && (error.name === 'OverconstrainedError' || error.name === 'NotFoundError'))
      return openMicrophone();
    const [kind, message] = MICROPHONE[error.name] ?? [
      'microphone',
      `The microphone does not work: ${error.message}`,
    ];
    throw new LineError(kind, message);
  }
}

/** Microphones and loudspeakers, as `{id, label}`. Their names are known once the microphone was allowed. */
export async function devices() {
  const all = (await navigator.mediaDevices?.enumerateDevices?.()) ?? [];
  const of = (kind, word) =>
    all
      .filter((device) => device.kind === kind && device.deviceId)
      .map((device, at) => ({ id: device.deviceId, label: device.label || `${word} ${at + 1}` }));
  return { microphones: of('audioinput', 'Microphone'), speakers: of('audiooutput', 'Speaker') };
}

/** Whether loudspeakers can be chosen here. */
export const canChooseSpeaker = 'setSinkId' in HTMLMediaElement.prototype;

/** Whether the microphone may be opened without asking the person. */
export async function microphoneIsAllowed() {
  try {
    return (await navigator.permissions.query({ name: 'microphone' })).state === 'granted';
  } catch {
    return false;
  }
}

// Our own candidates come at once; those of a STUN or TURN server within this.
const GATHER_MS = 2500;

/**
 * One line. Emits `state` (its `state` is one of connecting, connected, unsteady, failed, closed) and
 * `blocked` when the browser wants a click before it plays sound.
 */
export class Line extends EventTarget {
  #peer;
  #sender;
  #player;
  #muted = false;

  constructor(stream, iceServers = []) {
    super();
    this.stream = stream;
    this.state = 'connecting';
    this.#peer = new RTCPeerConnection({ iceServers, bundlePolicy: 'max-bundle' });
    this.#sender = this.#peer.addTrack(stream.getAudioTracks()[0], stream);
    this.#player = new Audio();
    this.#player.autoplay = true;
    this.#peer.addEventListener('track', (event) => {
      this.#player.srcObject = new MediaStream([event.track]);
      this.play();
    });
    this.#peer.addEventListener('connectionstatechange', () => this.#follow());
  }

  #follow() {
    const state = {
      new: 'connecting',
      connecting: this.state === 'unsteady' ? 'unsteady' : 'connecting',
      connected: 'connected',
      disconnected: 'unsteady',
      failed: 'failed',
      closed: 'closed',
    }[this.#peer.connectionState];
    this.#tell(state);
  }

  #tell(state) {
    if (state === this.state || this.state === 'closed') return;
    this.state = state;
    this.dispatchEvent(new Event('state'));
  }

  /** Plays what comes in; needed again after `blocked`, out of a click. */
  play() {
    this.#player.play().catch(() => this.dispatchEvent(new Event('blocked')));
  }

  /** Our SDP, with all candidates. */
  async offer() {
    await this.#peer.setLocalDescription(await this.#peer.createOffer());
    await new Promise((resolve) => {
      const look = () => {
        if (this.#peer.iceGatheringState === 'complete') resolve();
      };
      this.#peer.addEventListener('icegatheringstatechange', look);
      setTimeout(resolve, GATHER_MS);
      look();
    });
    return this.#peer.localDescription.sdp;
  }

  /** Takes the SDP of the other side, and waits until audio can flow. */
  async connect(answer, limitMs) {
    await this.#peer.setRemoteDescription({ type: 'answer', sdp: answer });
    if (this.state === 'connected') return;
    await new Promise((resolve, reject) => {
      const failed = () =>
        reject(
          new LineError(
            'connect',
            'No audio connection could be made. A firewall or VPN may be in the way.',
          ),
        );
      const limit = setTimeout(failed, limitMs);
      this.addEventListener(
        'state',
        () => {
          if (this.state === 'connecting') return;
          clearTimeout(limit);
          if (this.state === 'connected') resolve();
          else failed();
        },
        { once: true },
      );
    });
  }

  get muted() {
    return this.#muted;
  }

  set muted(muted) {
    this.#muted = muted;
    for (const track of this.stream.getAudioTracks()) track.enabled = !muted;
  }

  /** Goes on with another microphone. */
  async useMicrophone(stream) {
    await this.#sender.replaceTrack(stream.getAudioTracks()[0]);
    this.stream.getTracks().forEach((track) => track.stop());
    this.stream = stream;
    this.muted = this.#muted;
  }

  /** Plays on another loudspeaker. */
  async useSpeaker(id) {
    if (canChooseSpeaker) await this.#player.setSinkId(id ?? '');
  }

  /** Ends it and lets the microphone go. */
  close() {
    this.stream.getTracks().forEach((track) => track.stop());
    this.#player.srcObject = null;
    this.#peer.close();
    this.#tell('closed');
  }
}

let context = null;

/** The page's audio context; browsers let it run after the first click or key. */
export function audioContext() {
  context ??= new AudioContext();
  if (context.state === 'suspended') context.resume().catch(() => {});
  return context;
}

/** Tells the level of a microphone, 0 to 1, ten times a second, until the function it gives is called. */
export function watchLevel(stream, tell) {
  const analyser = audioContext().createAnalyser();
  analyser.fftSize = 1024;
  const source = audioContext().createMediaStreamSource(stream);
  source.connect(analyser);
  const samples = new Float32Array(analyser.fftSize);
  const timer = setInterval(() => {
    analyser.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length;
    // -60 dBFS is nothing, -10 dBFS is full.
    tell(Math.min(1, Math.max(0, (10 * Math.log10(power + 1e-9) + 60) / 50)));
  }, 100);
  return () => {
    clearInterval(timer);
    source.disconnect();
  };
}

/** Plays tones for so many ms: `[[Hz, Hz], ...]` one after another. */
export function playTones(tones, eachMs, volume) {
  const audio = audioContext();
  const gain = audio.createGain();
  gain.connect(audio.destination);
  tones.forEach((together, at) => {
    const start = audio.currentTime + (at * eachMs) / 1000;
    const end = start + eachMs / 1000;
    gain.gain.setValueAtTime(0, start);
    gain.gain.linearRampToValueAtTime(volume / together.length, start + 0.01);
    gain.gain.setValueAtTime(volume / together.length, end - 0.02);
    gain.gain.linearRampToValueAtTime(0, end);
    for (const frequency of together) {
      const oscillator = audio.createOscillator();
      oscillator.frequency.value = frequency;
      oscillator.connect(gain);
      oscillator.start(start);
      oscillator.stop(end);
    }
  });
}

export const KEYS = ['1', '2', '3', '4', '5', '6', '7', '8', '9', '*', '0', '#'];

/** The sound of a key (ITU-T Q.23), for whoever presses it. */
export function playKey(key) {
  const at = KEYS.indexOf(key);
  playTones([[[697, 770, 852, 941][Math.floor(at / 3)], [1209, 1336, 1477][at % 3]]], 120, 0.08);
}
