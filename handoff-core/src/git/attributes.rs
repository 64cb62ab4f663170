//! Ignore rules, and content as git would store it or check it out. Only built-in conversions (line endings,
//! ident, encodings) are done; a filter program named by an attribute is never run, only reported.

use std::path::PathBuf;

use gix::bstr::{BStr, ByteSlice as _};
use gix::filter::plumbing as filter;
use gix::worktree::stack::state;

use super::encoding::Encoding;
use super::objects::BlobHasher;
use super::{Repo, index::Index};
use crate::error::Error;
use crate::id::{ObjectFormat, Oid};
use crate::path::RelPath;

/// Content above this is neither normalised nor held in memory as a whole, in bytes.
pub(crate) const NORMALISE_LIMIT: u64 = 8 << 20;

/// Content as `git add` would store it.
pub(crate) struct Normalised {
    /// The stored form; `None` where it is the input itself.
    pub changed: Option<Vec<u8>>,
    /// The id of the stored form; `None` only where SHA-1 met a collision attack.
    pub oid: Option<Oid>,
    /// Whether attributes or settings may convert this path at all: git takes it for text with line endings of its own.
    pub converts: bool,
    /// The filter attribute that was not run, as in `filter=lfs`.
    pub raw: Option<String>,
}

/// Why content cannot be converted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unconverted {
    /// The attributes of its path cannot be read.
    Attributes,
    /// It cannot be expressed in the encoding that an attribute names.
    Encoding,
}

impl std::fmt::Display for Unconverted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Attributes => "the attributes of the path (.gitattributes) cannot be read",
            Self::Encoding => "the content does not fit the encoding that its attributes name",
        })
    }
}

impl Unconverted {
    /// The stable word, as in [`EntryFlags::raw`](crate::snapshot::EntryFlags::raw).
    pub fn reason(self) -> &'static str {
        match self {
            Self::Attributes => "attributes_unreadable",
            Self::Encoding => "working-tree-encoding",
        }
    }
}

/// Converts contents of one repository, one thread each.
pub(crate) struct Normaliser {
    repo: gix::Repository,
    root: PathBuf,
    /// Attributes come from the index alone, and no directory is looked into for them.
    as_staged: bool,
    /// The last directory asked about, and whether the attributes that hold there can be read.
    last_dir: Option<(Vec<u8>, bool)>,
    pipeline: filter::Pipeline,
    stack: gix::worktree::Stack,
    /// Filled with [`OURS`].
    ours: gix::attrs::search::Outcome,
    /// Settings convert what no attribute speaks of (`core.autocrlf`).
    converts_unasked: bool,
    /// What the pipeline is to look at, until it has it.
    plain: Option<gix::attrs::search::Outcome>,
    /// The last path asked about: a file is normalised and then checked out again.
    last: Option<(RelPath, Ours)>,
    format: ObjectFormat,
}

/// The attributes of a path that we judge ourselves.
#[derive(Clone)]
struct Ours {
    /// The filter attribute that is not run, as in `filter=lfs`.
    raw: Option<String>,
    encoding: Option<Encoding>,
    /// Nothing converts the path, so that the pipeline need not be asked.
    verbatim: bool,
}

/// All that bears on content: the two attributes that we judge ourselves, and those that the pipeline does.
const OURS: [&str; 6] = ["filter", "working-tree-encoding", "crlf", "ident", "eol", "text"];

/// What the pipeline takes from attributes, in its order. In the place of `working-tree-encoding` stands a name that
/// no attribute can have, because [`Encoding`] does that conversion.
const PLAIN: [&str; 6] = ["crlf", "ident", "filter", "eol", "text", "no encoding"];

impl Repo {
    /// A converter by the attributes of the work tree, with the index for files that are not checked out.
    pub fn normaliser(&self, index: &Index) -> Result<Normaliser, Error> {
        self.normaliser_from(index, state::attributes::Source::WorktreeThenIdMapping)
    }

    /// The same for a work tree all of whose `.gitattributes` are [as staged](Self::can_take_attributes_from), which
    /// saves looking for one in every directory.
    pub fn normaliser_as_staged(&self, index: &Index) -> Result<Normaliser, Error> {
        self.normaliser_from(index, state::attributes::Source::IdMapping)
    }

    /// Whether every `.gitattributes` of the index can be read there and means there what it would in the work tree.
    pub fn can_take_attributes_from(&self, index: &Index) -> bool {
        let state = index.state();
        let mut files = state.entries().iter().filter(|entry| {
            let path = entry.path(state);
            path.ends_with(b".gitattributes") && RelPath::new(path.as_bytes()).name() == b".gitattributes"
        });
        let repo = self.local();
        // A name in other letters would be read where letters count alike.
        !self.ignores_case()
            && files.all(|entry| {
                entry.stage_raw() == 0
                    && super::mode_of(entry.mode.bits()).is_file()
                    && repo.has_object(entry.id)
            })
    }

    fn normaliser_from(&self, index: &Index, source: state::attributes::Source) -> Result<Normaliser, Error> {
        let as_staged = matches!(source, state::attributes::Source::IdMapping);
        let repo = self.local();
        let failed = |why: gix::Error| self.failed("reading attributes", why);
        self.check_pattern_file("reading attributes", "info/attributes")?;
        let stack = repo.attributes_only(index.state(), source).map_err(failed)?.detach();
        let mut options = gix::filter::Pipeline::options(&repo).map_err(failed)?;
        options.drivers.clear();
        let converts_unasked = options.eol_config.auto_crlf != filter::eol::AutoCrlf::Disabled;
        // A warning about endings that would not survive a round trip is the user's own git's to give.
        options.crlf_roundtrip_check = filter::pipeline::CrlfRoundTripCheck::Skip;
        let pipeline = filter::Pipeline::new(gix::command::Context::default(), repo.object_hash(), options);
        // The pipeline does not show which driver it would have run, so the attribute is looked up beside it.
        let ours = stack.selected_attribute_matches(OURS);
        let plain = Some(stack.selected_attribute_matches(PLAIN));
        let root = self.root().to_owned();
        Ok(Normaliser {
            repo,
            root,
            as_staged,
            last_dir: None,
            pipeline,
            stack,
            ours,
            converts_unasked,
            plain,
            last: None,
            format: self.format(),
        })
    }

    /// The ignore rules of the work tree, for one thread.
    pub fn ignores(&self, index: &Index) -> Result<Ignores, Error> {
        self.check_pattern_file("reading ignore rules", "info/exclude")?;
        let repo = self.local();
        let stack = repo
            .excludes(index.state(), None, state::ignore::Source::WorktreeThenIdMappingIfNotSkipped)
            .map_err(|why| self.failed("reading ignore rules", why))?
            .detach();
        Ok(Ignores { repo, stack })
    }

    /// Refuses a file of patterns below the git directory whose reading may never end, such as a pipe.
    fn check_pattern_file(&self, action: &str, name: &str) -> Result<(), Error> {
        match std::fs::metadata(self.common_dir().join(name)) {
            Ok(meta) if !meta.is_file() && !meta.is_dir() => {
                Err(self.failed(action, format!("{name} in the git directory is not a regular file")))
            }
            _ => Ok(()),
        }
    }
}

/// The ignore rules of one work tree.
pub(crate) struct Ignores {
    repo: gix::Repository,
    stack: gix::worktree::Stack,
}

impl Ignores {
    /// The same rules for another thread, without reading them again.
    pub fn another(&self, repo: &Repo) -> Self {
        Self { repo: repo.local(), stack: self.stack.clone() }
    }

    /// Whether git ignores `path`, which is not tracked.
    pub fn is_ignored(&mut self, path: &[u8], is_dir: bool) -> std::io::Result<bool> {
        let mode = if is_dir { gix::index::entry::Mode::DIR } else { gix::index::entry::Mode::FILE };
        Ok(self.stack.at_entry(path.as_bstr(), Some(mode), &self.repo.objects)?.is_excluded())
    }
}

impl Normaliser {
    /// Work-tree bytes as git would store them. A filter named by an attribute is not run: `raw` names it and
    /// the bytes count as they are.
    pub fn normalise(
        &mut self,
        index: &Index,
        path: &RelPath,
        worktree: &[u8],
    ) -> Result<Normalised, Unconverted> {
        let Ours { raw, encoding, verbatim } = self.ours(path)?;
        if verbatim {
            let oid = BlobHasher::of(self.format, worktree);
            return Ok(Normalised { changed: None, oid, converts: false, raw });
        }
        let decoded = match encoding {
            Some(encoding) => Some(encoding.decode(worktree).ok_or(Unconverted::Encoding)?),
            None => None,
        };
        let text = decoded.as_deref().unwrap_or(worktree);
        let path: &BStr = path.as_bytes().as_bstr();
        let platform =
            self.stack.at_entry(path, None, &self.repo.objects).map_err(|_| Unconverted::Attributes)?;
        let (repo, plain) = (&self.repo, &mut self.plain);
        let outcome = self
            .pipeline
            .convert_to_git(
                text,
                super::os_path(path),
                &mut |_, attributes| fill(&platform, plain, attributes),
                &mut |buffer| {
                    let Some(entry) = index.state().entry_by_path(path) else { return Ok(None) };
                    use gix::prelude::FindExt as _;
                    Ok(repo.objects.find_blob(&entry.id, buffer).ok().map(|_| ()))
                },
            )
            .map_err(|_| Unconverted::Encoding)?;
        let (stored, converts) = match outcome {
            filter::pipeline::convert::ToGitOutcome::Buffer(bytes) => (Some(bytes.to_vec()), true),
            filter::pipeline::convert::ToGitOutcome::Unchanged(_)
            | filter::pipeline::convert::ToGitOutcome::Process(_) => (decoded, encoding.is_some()),
        };
        let changed = stored.filter(|bytes| bytes != worktree);
        let oid = BlobHasher::of(self.format, changed.as_deref().unwrap_or(worktree));
        Ok(Normalised { changed, oid, converts, raw })
    }

    fn ours(&mut self, path: &RelPath) -> Result<Ours, Unconverted> {
        if let Some((last, found)) = &self.last
            && last == path
        {
            return Ok(found.clone());
        }
        if !self.can_read_attributes(path) {
            return Err(Unconverted::Attributes);
        }
        let platform = self
            .stack
            .at_entry(path.as_bytes().as_bstr(), None, &self.repo.objects)
            .map_err(|_| Unconverted::Attributes)?;
        platform.matching_attributes(&mut self.ours);
        let mut found = Ours { raw: None, encoding: None, verbatim: !self.converts_unasked };
        for (at, one) in self.ours.iter_selected().enumerate() {
            match (at, one.assignment.state) {
                (0, gix::attrs::StateRef::Value(name)) => {
                    found.raw = Some(format!("filter={}", name.as_bstr()));
                }
                (0, gix::attrs::StateRef::Set) => found.raw = Some("filter".to_owned()),
                (1, gix::attrs::StateRef::Value(name)) => {
                    found.encoding = Encoding::named(name.as_bstr()).map_err(|()| Unconverted::Encoding)?;
                }
                // An encoding without a name.
                (1, gix::attrs::StateRef::Set) => return Err(Unconverted::Encoding),
                _ => {}
            }
            // A filter is not run, whatever its name.
            found.verbatim &= at == 0 || one.assignment.state == gix::attrs::StateRef::Unspecified;
        }
        self.last = Some((path.clone(), found.clone()));
        Ok(found)
    }

    /// Whether reading the `.gitattributes` on the way to `path` comes to an end, which a pipe's does not.
    fn can_read_attributes(&mut self, path: &RelPath) -> bool {
        if self.as_staged {
            return true;
        }
        let dir = path.parent().unwrap_or_default();
        if let Some((last, can)) = &self.last_dir
            && last == dir
        {
            return *can;
        }
        let slashes = dir.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        let can = slashes.chain([0, dir.len()]).all(|end| {
            let part = dir.get(..end).unwrap_or_default();
            // Neighbours share most directories on their way, and looking at each takes a system call.
            let seen = self.last_dir.as_ref().is_some_and(|(last, can)| *can && is_at_or_below(last, part));
            if seen {
                return true;
            }
            let at = self.root.join(super::os_path(part)).join(".gitattributes");
            std::fs::symlink_metadata(at)
                .map_or(true, |meta| meta.is_file() || meta.is_symlink() || meta.is_dir())
        });
        self.last_dir = Some((dir.to_vec(), can));
        can
    }

    /// Stored bytes as git would check them out here; `None` where they are the same.
    pub fn check_out(&mut self, path: &RelPath, stored: &[u8]) -> Result<Option<Vec<u8>>, Unconverted> {
        self.check_out_like(path, stored, b"")
    }

    /// [`check_out`](Self::check_out) in the byte order of `like`, where the encoding leaves a choice.
    pub fn check_out_like(
        &mut self,
        path: &RelPath,
        stored: &[u8],
        like: &[u8],
    ) -> Result<Option<Vec<u8>>, Unconverted> {
        let Ours { encoding, verbatim, .. } = self.ours(path)?;
        if verbatim {
            return Ok(None);
        }
        let path: &BStr = path.as_bytes().as_bstr();
        let platform =
            self.stack.at_entry(path, None, &self.repo.objects).map_err(|_| Unconverted::Attributes)?;
        let plain = &mut self.plain;
        let outcome = self
            .pipeline
            .convert_to_worktree(
                stored,
                path,
                &mut |_, attributes| fill(&platform, plain, attributes),
                filter::pipeline::convert::to_worktree::Options::default(),
            )
            .map_err(|_| Unconverted::Encoding)?;
        let text = outcome.as_bytes();
        let encoded = match encoding {
            Some(encoding) => {
                let text = text.unwrap_or(stored);
                Some(encoding.encode(text, like).ok_or(Unconverted::Encoding)?)
            }
            None => text.map(<[u8]>::to_vec),
        };
        Ok(encoded.filter(|bytes| *bytes != stored))
    }

    /// Bytes on disk as text with the line endings they have, and the way back to such bytes; `None` where the path
    /// has no encoding of its own, so that bytes and text are the same.
    pub fn encoding(&mut self, path: &RelPath) -> Result<Option<Encoding>, Unconverted> {
        Ok(self.ours(path)?.encoding)
    }
}

/// Answers the pipeline's question for attributes.
fn fill(
    platform: &gix::worktree::stack::Platform<'_>,
    plain: &mut Option<gix::attrs::search::Outcome>,
    attributes: &mut gix::attrs::search::Outcome,
) {
    if let Some(plain) = plain.take() {
        *attributes = plain;
    }
    platform.matching_attributes(attributes);
}

fn is_at_or_below(path: &[u8], dir: &[u8]) -> bool {
    let below = path.strip_prefix(dir);
    below.is_some_and(|below| dir.is_empty() || below.is_empty() || below.starts_with(b"/"))
}
