//! What the simulated world promises, each file one promise.

mod common;

mod basics;
mod congestion;
mod neighbourhoods;
mod paths;
mod restarts;
mod scenarios;
mod streams;
mod text;
mod windows;
