//! Carries a call's requests to the engines, the actions and the store, and their answers back.
//!
//! Each request runs in a task of its own and ends in one or more `CallInput`s, each with the id it
//! was asked under. A call never waits for any of them.

mod listening;
mod speaking;

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, mpsc};
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::acd::handoff::Handoff;
use crate::actions::{ActionRequest, Actions, FailureKind};
use crate::audio::{SampleRate, resample_whole};
use crate::base::{ActionRunId, CallId, Pii, SpeechId, UtteranceId};
use crate::call::{CallInput, Urgency};
use crate::conversation::{ActionResult, Expected, FailureWords};
use crate::engine::hearing::HearingRequest;
use crate::engine::understanding::Understander;
use crate::engine::voice::{Cacheable, SpeakRequest};
use crate::store::{Saved, Store, put_handoff_or_file};

use super::Engines;
use super::first_words::FirstWords;
use super::floor::Acd;
use super::load::Load;
use super::metrics::{HandoffPlace, Metrics};
use super::promises::{OpenPromise, Promises};

pub use listening::{hearing_request, judge, listen_for, transcribe};

use listening::{heard_result, soon};
use speaking::say;

/// How often a hand-off is tried to be brought up to date, with pauses of 1, 2, 4, ... s.
const UPDATE_TRIES: u32 = 5;

/// What the tasks of all calls share.
#[derive(Clone)]
pub(super) struct Services {
    pub engines: Engines,
    pub actions: Actions,
    pub store: Store,
    pub promises: Promises,
    pub metrics: Arc<Metrics>,
    pub load: Load,
    /// Where a hand-off goes when the database cannot take it.
    pub data_dir: PathBuf,
}

/// One call's way to the services.
pub(super) struct Dispatch {
    services: Services,
    /// Of the generation that the call began with.
    understander: Arc<Understander>,
    call: CallId,
    inputs: mpsc::Sender<CallInput>,
    first_words: FirstWords,
    speeches: HashMap<SpeechId, Speaking>,
    /// What is under way about utterances, of which there are a few at most.
    utterances: HashMap<UtteranceId, Vec<AbortHandle>>,
}

/// A text on its way to becoming speech.
struct Speaking {
    task: AbortHandle,
    /// The caller waits for it.
    hurried: Arc<Notify>,
}

impl Dispatch {
    pub fn new(
        services: Services,
        understander: Arc<Understander>,
        call: CallId,
        inputs: mpsc::Sender<CallInput>,
        first_words: FirstWords,
    ) -> Self {
        let (speeches, utterances) = (HashMap::new(), HashMap::new());
        Self { services, understander, call, inputs, first_words, speeches, utterances }
    }

    /// Has an utterance transcribed that has this rate.
    pub fn transcribe(
        &mut self,
        utterance: UtteranceId,
        (samples, rate): (Vec<i16>, SampleRate),
        expected: &Expected,
        urgency: Urgency,
    ) {
        // What was to be said first was asked for before the caller could speak: the rest is not needed.
        self.first_words = FirstWords::default();
        let listen_for = listen_for(expected);
        let judge = match expected {
            Expected::Request => Some(judge(&self.understander)),
            Expected::YesNo | Expected::Slot(_) | Expected::Keys => None,
        };
        let hearing = self.services.engines.hearing.clone();
        let (inputs, call) = (self.inputs.clone(), self.call);
        let is_ahead = urgency == Urgency::Speculative;
        let span = tracing::info_span!("stt", utterance = utterance.0, is_ahead);
        let work = async move {
            let request =
                hearing_request((call, utterance), (samples.as_slice(), rate), listen_for);
            drop(samples);
            let request = HearingRequest { urgency: soon(urgency), judge, ..request };
            let result = tokio::select! {
                heard = hearing.transcribe(request) => heard_result(heard, urgency),
                // The call has ended: nobody needs the answer.
                () = inputs.closed() => return,
            };
            let _ = inputs.send(CallInput::Transcribed { utterance, result }).await;
        };
        self.begin(utterance, work.instrument(span));
    }

    /// Begins something about an utterance that can be withdrawn.
    fn begin(&mut self, utterance: UtteranceId, work: impl Future<Output = ()> + Send + 'static) {
        self.utterances.retain(|_, tasks| {
            tasks.retain(|task| !task.is_finished());
            !tasks.is_empty()
        });
        let task = tokio::spawn(work).abort_handle();
        self.utterances.entry(utterance).or_default().push(task);
    }

    /// A caller waits for what was asked for ahead.
    pub fn hurry(&self, utterance: UtteranceId) {
        self.services.engines.hearing.hurry(self.call, utterance);
    }

    /// Nobody needs any more what was asked for about this utterance: what waits is not begun, and
    /// what runs is given up.
    pub fn withdraw(&mut self, utterance: UtteranceId) {
        for task in self.utterances.remove(&utterance).unwrap_or_default() {
            task.abort();
        }
    }

    /// Has the sound judged: has the caller finished? Where no model does so, or it is too busy to be of
    /// use, nobody knows.
    pub fn judge_end(&mut self, utterance: UtteranceId, (samples, rate): (Vec<i16>, SampleRate)) {
        let Some(judge) = self.services.engines.end_judge.clone() else {
            return self.tell(CallInput::EndJudged { utterance, probability: None });
        };
        let inputs = self.inputs.clone();
        let work = async move {
            let judged = judge.judge(resample_whole(&samples, rate, SampleRate::HZ_16000)).await;
            if let Err(error) = &judged {
                tracing::info!(%error, "it was not judged by ear whether the caller has finished");
            }
            let probability = judged.ok();
            // A closed channel means that the call has ended: nobody needs the answer.
            let _ = inputs.send(CallInput::EndJudged { utterance, probability }).await;
        };
        let span = tracing::info_span!("end_of_turn", utterance = utterance.0);
        self.begin(utterance, work.instrument(span));
    }

    pub fn understand(&mut self, utterance: UtteranceId, text: Pii<String>) {
        let pool = self.services.engines.understanding.clone();
        let understander = Arc::clone(&self.understander);
        let inputs = self.inputs.clone();
        let span = tracing::info_span!("nlu", utterance = utterance.0);
        let work = async move {
            let understanding = match pool.understand_by(understander, text).await {
                Ok(understanding) => {
                    if let Some(top) = understanding.top() {
                        tracing::info!(
                            intent = %top.intent,
                            confidence = top.confidence,
                            out_of_scope = understanding.out_of_scope,
                            "understood"
                        );
                    }
                    Some(understanding)
                }
                Err(error) => {
                    tracing::error!(%error, "the utterance was not classified");
                    None
                }
            };
            let _ = inputs.send(CallInput::Understood { utterance, understanding }).await;
        };
        self.begin(utterance, work.instrument(span));
    }

    pub fn speak(&mut self, speech: SpeechId, text: Pii<String>, fixed: bool, urgency: Urgency) {
        let voice = self.services.engines.voice.clone();
        let inputs = self.inputs.clone();
        let is_ahead = urgency == Urgency::Speculative;
        let span = tracing::info_span!("tts", speech = speech.0, is_ahead);
        let cacheable = if fixed { Cacheable::Fixed } else { Cacheable::Personal };
        let request = SpeakRequest { text, cacheable, urgency: soon(urgency) };
        let ready = self.first_words.take(&request.text);
        let hurried = Arc::new(Notify::new());
        let told = Arc::clone(&hurried);
        let work = async move {
            let said = tokio::select! {
                said = say(&voice, (request, ready), speech, &inputs, &told) => said,
                () = inputs.closed() => return,
            };
            let input = match said {
                Ok(()) => CallInput::SpeechDone { speech },
                Err(error) => {
                    match is_ahead {
                        // It is asked for again if it is to be said.
                        true => tracing::info!(%error, "cannot speak ahead"),
                        false => tracing::error!(%error, "cannot speak"),
                    }
                    CallInput::SpeechFailed { speech }
                }
            };
            let _ = inputs.send(input).await;
        };
        self.speeches.retain(|_, speech| !speech.task.is_finished());
        let task = tokio::spawn(work.instrument(span)).abort_handle();
        self.speeches.insert(speech, Speaking { task, hurried });
    }

    /// A caller waits for a speech that was asked for ahead.
    pub fn hurry_speech(&self, speech: SpeechId) {
        if let Some(speech) = self.speeches.get(&speech) {
            speech.hurried.notify_one();
        }
    }

    pub fn cancel_speech(&mut self, speech: SpeechId) {
        if let Some(speech) = self.speeches.remove(&speech) {
            speech.task.abort();
        }
    }

    pub fn run_action(
        &self,
        run: ActionRunId,
        action: String,
        inputs: std::collections::BTreeMap<String, Pii<String>>,
    ) {
        let (actions, answers) = (self.services.actions.clone(), self.inputs.clone());
        let idempotency_key = format!("{}-{run}", self.call);
        let span = tracing::info_span!("action", action, run = run.0);
        let work = async move {
            let started = std::time::Instant::now();
            let outcome = actions.run(ActionRequest { action, inputs, idempotency_key }).await;
            let action_ms = started.elapsed().as_millis() as u64;
            let result: ActionResult = match outcome {
                Ok(outputs) => {
                    tracing::info!(action_ms, "done");
                    Ok(outputs)
                }
                Err(failure) => {
                    tracing::warn!(action_ms, kind = ?failure.kind, detail = failure.detail, "failed");
                    Err(failure_words(failure.kind))
                }
            };
            let _ = answers.send(CallInput::ActionFinished { run, result }).await;
        };
        // Not aborted when the call ends: an action that was begun is recorded as it ended.
        tokio::spawn(work.instrument(span));
    }

    /// Stores a hand-off; gives it as it is stored, with what it can be found by from outside.
    pub fn store_handoff(&self, mut handoff: Handoff) -> Arc<Handoff> {
        // 128 bits of chance: it is told to telephone systems, and says nothing about the call.
        let reference = format!("{:032x}", rand::random::<u128>());
        handoff.reference = Some(reference);
        let handoff = Arc::new(handoff);
        let stored = Arc::clone(&handoff);
        let (store, inputs) = (self.services.store.clone(), self.inputs.clone());
        let data_dir = self.services.data_dir.clone();
        let metrics = Arc::clone(&self.services.metrics);
        let span = tracing::info_span!("handoff");
        let work = async move {
            let stored = match put_handoff_or_file(Some(&store), &data_dir, &handoff).await {
                Ok(place) => {
                    tracing::info!(queue = handoff.queue, reason = ?handoff.reason, ?place, "stored");
                    metrics.handed_off(match place {
                        Saved::Database(_) => HandoffPlace::Database,
                        Saved::File { .. } => HandoffPlace::File,
                    });
                    true
                }
                Err(error) => {
                    tracing::error!(%error, "the hand-off could not be stored anywhere");
                    metrics.handed_off(HandoffPlace::Nowhere);
                    false
                }
            };
            let _ = inputs.send(CallInput::HandoffStored { stored }).await;
        };
        // A server that stops waits for it, although the call may be over.
        self.services.promises.spawn(work.instrument(span));
        stored
    }

    /// Stores in the place of a hand-off what is known by now. The hand-off may be on its way into the
    /// database yet, or in a file beside it.
    pub fn update_handoff(&self, reference: String, handoff: Arc<Handoff>) {
        let store = self.services.store.clone();
        let work = async move {
            for nth in 0..UPDATE_TRIES {
                match store.update_handoff(&reference, &handoff).await {
                    Ok(true) => return,
                    Ok(false) => {}
                    Err(error) => {
                        tracing::warn!(%error, "a hand-off is not brought up to date yet")
                    }
                }
                tokio::time::sleep(Duration::from_secs(1 << nth)).await;
            }
            tracing::error!("a hand-off stays as it was, though more is known");
        };
        tokio::spawn(work.instrument(tracing::info_span!("handoff")));
    }

    /// Has a caller who waits be called back in their turn; the answer comes as `CallbackBooked`.
    pub fn book_callback(&self, acd: Acd, number: Pii<String>) {
        let (inputs, call) = (self.inputs.clone(), self.call);
        tokio::spawn(async move {
            let booked = acd.book_callback(call, number).await;
            let _ = inputs.send(CallInput::CallbackBooked { booked }).await;
        });
    }

    /// Tells the call something, as if it had been asked for.
    pub fn tell(&self, input: CallInput) {
        let inputs = self.inputs.clone();
        tokio::spawn(async move {
            let _ = inputs.send(input).await;
        });
    }

    /// The call.
    pub fn call(&self) -> CallId {
        self.call
    }

    /// Promises to put the caller of this hand-off through.
    pub fn promise(&self, reference: String) -> OpenPromise {
        self.services.promises.open(reference)
    }
}

/// A failure as prompt files name it. A request we built wrongly was not sent: nothing was done.
pub(super) fn failure_words(kind: FailureKind) -> FailureWords {
    match kind {
        FailureKind::NotFound => FailureWords::NotFound,
        FailureKind::Refused(word) => FailureWords::Refused(word),
        FailureKind::Unavailable | FailureKind::BadRequest => FailureWords::Unavailable,
        FailureKind::Timeout => FailureWords::Timeout,
    }
}
