//! Nothing: only the dependency is of interest.
