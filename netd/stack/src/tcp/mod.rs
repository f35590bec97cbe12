//! TCP: tables around the connections that `netd/tcp` is.
//!
//! [`connection`] owns what a connection has here (ends, requests, path), [`requests`] takes clients'
//! calls, [`input`] and [`output`] move segments, [`gather`] finds their bytes, [`cut`] makes several of one, [`half_open`] and [`time_wait`] keep what is not yet
//! or no longer a connection, [`cookies`] what is not kept,
//! [`cookie_cache`] what peers have kept with us, [`fast_open`]
//! what is a connection already, [`ways`] and [`aside`] what connections share and few have,
//! [`listener`] accepts, [`events`] tells.

pub(crate) mod aside;
pub(crate) mod connection;
pub(crate) mod cookie_cache;
pub(crate) mod cookies;
pub(crate) mod cut;
pub(crate) mod events;
pub(crate) mod fast_open;
pub(crate) mod gather;
pub(crate) mod half_open;
pub(crate) mod input;
pub(crate) mod listener;
pub(crate) mod output;
pub(crate) mod path;
pub(crate) mod requests;
pub(crate) mod time_wait;
pub(crate) mod ways;
