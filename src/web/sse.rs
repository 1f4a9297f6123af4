//! Streams of events (server-sent events, as the HTML standard has them): `event:` is the tag of
//! what is told, `data:` the whole of it as JSON. A comment every 15 s keeps connections open.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures_util::stream::{self, Stream, StreamExt};
use serde::Serialize;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio_util::task::AbortOnDropHandle;

use crate::base::CallId;

use super::Web;
use super::accounts::Look;
use super::live::{Live, LiveEvents};
use super::view::LiveEvent;

/// How often something is said, and how often it is looked whether a session is over.
const EVERY: Duration = Duration::from_secs(15);

/// Proxies (nginx) are not to hold events back.
const BUFFERING: &str = "x-accel-buffering";

/// Until when a stream goes on.
pub(super) enum Until {
    /// The session of this digest is over.
    SessionEnds(String, Look),
    /// It ends by itself.
    Over,
}

/// What was not told, since whoever watches was too slow.
#[derive(Serialize)]
struct Missed {
    event: &'static str,
    count: u64,
}

/// An event of this name.
pub(super) fn event(name: &str, data: &impl Serialize) -> Event {
    // Views are maps with text for keys: they are always JSON.
    let data = serde_json::to_string(data).unwrap_or_default();
    Event::default().event(name).data(data)
}

/// An event that is named by its own tag.
pub(super) fn tagged(data: &impl Serialize) -> Event {
    let value = serde_json::to_value(data).unwrap_or_default();
    let name = value["event"].as_str().unwrap_or("message").to_owned();
    event(&name, &value)
}

/// The stream as an answer. It ends with the session, and when the server stops.
pub(super) fn answer(
    web: Web,
    until: Until,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    // A task of its own: a stream whose reader takes nothing is not polled, and a look that stops
    // halfway would keep the store's connection from everybody.
    let over = AbortOnDropHandle::new(tokio::spawn(async move {
        let ended = async {
            match until {
                Until::SessionEnds(digest, look) => session_over(&web, &digest, look).await,
                Until::Over => std::future::pending().await,
            }
        };
        tokio::select! {
            () = ended => {}
            () = web.closing().cancelled() => {}
        }
    }));
    let events = events.map(Ok::<_, Infallible>).take_until(over);
    let stream = Sse::new(events).keep_alive(KeepAlive::new().interval(EVERY));
    ([(BUFFERING, "no")], stream).into_response()
}

/// Returns when the session is over: at once where this process ended it, else at the next look.
async fn session_over(web: &Web, digest: &str, look: Look) {
    let mut changes = web.store().people_changes();
    loop {
        match web.accounts().look(digest, look, web.now().at).await {
            Ok(Some(_)) => {}
            Ok(None) => return,
            // Whether it is over cannot be known; the next look may tell.
            Err(error) => tracing::warn!(%error, "a session cannot be looked up"),
        }
        tokio::select! {
            () = tokio::time::sleep(EVERY) => {}
            changed = changes.changed() => {
                if changed.is_err() {
                    return;
                }
            }
        }
    }
}

/// What happened in a call so far, what happens from then on, and its end.
pub(super) fn of_call(
    live: Live,
    call: CallId,
    so_far: Vec<Arc<LiveEvent>>,
    events: LiveEvents,
) -> impl Stream<Item = Event> + Send + 'static {
    let so_far: Vec<Event> = so_far.iter().map(|event| tagged(&**event)).collect();
    let watching = WatchingOne { live, call, events, is_over: false };
    let from_now_on = stream::unfold(Some(watching), |watching| async move {
        let mut watching = watching?;
        let (event, goes_on) = watching.next().await?;
        Some((event, goes_on.then_some(watching)))
    });
    stream::iter(so_far).chain(from_now_on)
}

/// Somebody who watches one call.
struct WatchingOne {
    live: Live,
    call: CallId,
    /// Of all calls.
    events: LiveEvents,
    /// The call has ended, and its end may be among what was missed: nothing more is waited for.
    is_over: bool,
}

impl WatchingOne {
    /// What is told next, and whether anything follows.
    async fn next(&mut self) -> Option<(Event, bool)> {
        loop {
            match self.received().await {
                Ok((of, event)) if of == self.call => {
                    return Some((tagged(&*event), *event != LiveEvent::Gone));
                }
                Ok(_) => {}
                Err(RecvError::Lagged(count)) => {
                    self.is_over = self.live.view(self.call).is_none();
                    return Some((tagged(&Missed { event: "missed", count }), true));
                }
                Err(RecvError::Closed) if self.is_over => {
                    return Some((tagged(&LiveEvent::Gone), false));
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    async fn received(&mut self) -> Result<(CallId, Arc<LiveEvent>), RecvError> {
        if !self.is_over {
            return self.events.recv().await;
        }
        self.events.try_recv().map_err(|error| match error {
            TryRecvError::Lagged(count) => RecvError::Lagged(count),
            TryRecvError::Empty | TryRecvError::Closed => RecvError::Closed,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::web::view::{LiveCallView, Phase, Speaker};

    fn view() -> LiveCallView {
        LiveCallView {
            call_id: "c".into(),
            answered_at: "2026-04-02T10:00:00Z".into(),
            caller: "+15550123".into(),
            called: "100".into(),
            channel: "web".into(),
            profile: "p".into(),
            phase: Phase::Talking,
            queue: None,
            agent: None,
            intent: None,
            last_line: None,
        }
    }

    /// What browsers are sent for it.
    async fn text(events: impl Stream<Item = Event> + Send + 'static) -> String {
        let response = Sse::new(events.map(Ok::<_, Infallible>)).into_response();
        let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.expect("it ends");
        String::from_utf8(body.to_vec()).expect("text")
    }

    #[tokio::test]
    async fn a_call_is_told_from_its_beginning_to_its_end_and_no_other() {
        let live = Live::default();
        let (one, other) = (CallId::from_u128(1), CallId::from_u128(2));
        let (told, elsewhere) = (live.begin(one, view()), live.begin(other, view()));
        let line = |text: &str| LiveEvent::Line {
            at_ms: 5,
            speaker: Speaker::Caller,
            text: text.to_owned(),
        };
        told.tell(line("before"));
        let (so_far, events) = live.watch(one).expect("goes on");
        let events = of_call(live.clone(), one, so_far, events);
        elsewhere.tell(line("elsewhere"));
        told.tell(line("after"));
        drop(told);
        let line = |text: &str| {
            format!(
                "event: line\ndata: {{\"at_ms\":5,\"event\":\"line\",\"speaker\":\"caller\",\
                 \"text\":\"{text}\"}}\n\n"
            )
        };
        let expected = format!(
            "{}{}event: gone\ndata: {{\"event\":\"gone\"}}\n\n",
            line("before"),
            line("after")
        );
        assert_eq!(text(events).await, expected);
    }

    #[tokio::test]
    async fn who_is_too_slow_is_told_how_much_was_missed() {
        let live = Live::default();
        let call = CallId::from_u128(1);
        let told = live.begin(call, view());
        let (so_far, events) = live.watch(call).expect("goes on");
        for total_ms in 0..300 {
            told.tell(LiveEvent::Turn { total_ms });
        }
        drop(told);
        let text = text(of_call(live, call, so_far, events)).await;
        assert!(text.starts_with("event: missed\ndata: {\"count\":45,\"event\":\"missed\"}"));
        assert!(text.ends_with("event: gone\ndata: {\"event\":\"gone\"}\n\n"), "{text}");
    }

    #[tokio::test]
    async fn who_missed_the_end_is_told_it_all_the_same() {
        let live = Live::default();
        let (call, other) = (CallId::from_u128(1), CallId::from_u128(2));
        let told = live.begin(call, view());
        let (so_far, events) = live.watch(call).expect("goes on");
        drop(told);
        let elsewhere = live.begin(other, view());
        for total_ms in 0..300 {
            elsewhere.tell(LiveEvent::Turn { total_ms });
        }
        let text = text(of_call(live.clone(), call, so_far, events)).await;
        assert!(text.starts_with("event: missed\n"), "{text}");
        assert!(text.ends_with("event: gone\ndata: {\"event\":\"gone\"}\n\n"), "{text}");
    }
}
