//! Fakes and scripted callers on simulated time, for tests.
