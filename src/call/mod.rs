//! The `Call` machine: legs, turns, conversation and hand-off meet here and only here. Pure.
