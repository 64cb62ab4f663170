//! Values of the core as JSON.

use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use handoff_core::ErrorKind;
use serde::Serialize;
use serde_json::{Value, json};

use crate::failure::Failure;

/// `value` as JSON, with paths that are not UTF-8 as `{"$bytes": …}`.
pub(crate) fn of<T: Serialize>(value: &T) -> Result<Value, Failure> {
    let mut value = serde_json::to_value(value).map_err(|why| {
        Failure::new(ErrorKind::Format, format!("a result cannot be written as JSON: {why}"))
    })?;
    mark_bytes(&mut value);
    Ok(value)
}

/// The published formats write such paths as `{"base64": …}`; between languages all bytes are written alike.
fn mark_bytes(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(mark_bytes),
        Value::Object(fields) => {
            if fields.len() == 1 && fields.get("base64").is_some_and(Value::is_string) {
                if let Some(bytes) = fields.remove("base64") {
                    fields.insert("$bytes".to_owned(), bytes);
                }
                return;
            }
            fields.values_mut().for_each(mark_bytes);
        }
        _ => {}
    }
}

/// Bytes, as text where they are UTF-8.
pub(crate) fn of_bytes(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.into(),
        Err(_) => json!({ "$bytes": STANDARD.encode(bytes) }),
    }
}

/// A path of this machine.
pub(crate) fn of_path(path: &Path) -> Value {
    of_bytes(path.as_os_str().as_encoded_bytes())
}
