//! One key for all the names that some file system might take for the same.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization as _;

use super::alias::is_ignorable;

/// A key that is equal for two names whenever a file system in use could take them for one: it folds case (`ß`
/// with `ss` too), composed, decomposed and compatibility forms, code points without a look, and trailing dots
/// and spaces. It folds more than any single file system does, so equal keys are a suspicion and no proof.
pub(super) fn fold(name: &[u8]) -> Cow<'_, [u8]> {
    if name.iter().all(|byte| byte.is_ascii_lowercase() || matches!(byte, b'0'..=b'9' | b'_' | b'-')) {
        return Cow::Borrowed(name);
    }
    let mut key = Vec::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        if chunk.valid().is_ascii() {
            key.extend(chunk.valid().bytes().map(|byte| byte.to_ascii_lowercase()));
        } else {
            // By way of upper case, because only that direction has the long forms (`ß` to `SS`); lower case
            // before it, because some capitals have a long form only in their small letter (U+1E9E).
            let folded: String = chunk
                .valid()
                .nfkd()
                .flat_map(char::to_lowercase)
                .flat_map(char::to_uppercase)
                .flat_map(char::to_lowercase)
                .nfkd()
                .filter(|c| !is_ignorable(*c))
                .collect();
            key.extend(folded.into_bytes());
        }
        key.extend(chunk.invalid());
    }
    while key.ends_with(b".") || key.ends_with(b" ") {
        key.pop();
    }
    Cow::Owned(key)
}
