//! Connectors to the organisation's own systems, declared in `frontdoor.toml`.
