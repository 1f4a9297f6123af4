//! Wiring: a task per call, engine pools, admission, drain. Decides nothing.
