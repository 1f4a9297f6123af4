//! From voice-activity probabilities to utterances and turns. Pure.
