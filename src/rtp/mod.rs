//! RTP media: reordering, jitter buffer, loss concealment, telephone-event. Pure.
