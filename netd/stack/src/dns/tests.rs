//! The resolver against scripted servers, in a world where time is a number.

mod attempts;
mod chains;
mod forgeries;
mod world;
