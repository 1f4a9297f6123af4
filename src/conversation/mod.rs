//! The `Conversation` machine: asks, fills, confirms, corrects, gives up; emits dialog acts. Pure.
