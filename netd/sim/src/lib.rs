//! The deterministic network world for tests.

