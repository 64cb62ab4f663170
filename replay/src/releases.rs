pub fn make(_: &std::path::Path, _: &[String]) -> crate::git::Result<Vec<std::path::PathBuf>> {
    Ok(Vec::new())
}
