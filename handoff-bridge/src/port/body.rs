//! Bodies that the host gives piece by piece.

use std::io;
use std::sync::Arc;

use futures_lite::stream;
use handoff_core::storage::BodyStream;
use serde_json::json;

use crate::{Foreign, ForeignCall};

/// The body that an object of the host's gives: its method `next` answers with bytes, or without any at the end.
pub fn foreign_body(host: Arc<dyn Foreign>) -> BodyStream {
    Box::pin(stream::unfold(Some(host), |host| async move {
        let host = host?;
        match host.call(ForeignCall::new("next", json!({}))).await {
            Ok(piece) => piece.body.map(|piece| (Ok(piece), Some(host))),
            // Nothing is asked for behind a failure.
            Err(thrown) => Some((Err(io::Error::other(thrown)), None)),
        }
    }))
}
