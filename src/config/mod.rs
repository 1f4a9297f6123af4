//! `frontdoor.toml`: `RawConfig` (serde, unknown keys are errors) becomes a validated `Config`.
