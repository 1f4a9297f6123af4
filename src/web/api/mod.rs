//! What the API answers: one module for each kind of people, each with its routes.

pub(super) mod accounts;
pub(super) mod audit;
pub(super) mod call;
pub(super) mod desk;
pub(super) mod document;
pub(super) mod floor;
pub(super) mod handoffs;
pub(super) mod live;
pub(super) mod records;
pub(super) mod session;
pub(super) mod today;
pub(super) mod tokens;
