//! Tests over real repositories.
