//! Names of the operating system's errors, for reports and remedies.

use std::io;

use rustix::io::Errno;

macro_rules! errnos {
    ($($constant:ident = $name:literal,)*) => {
        const NAMES: &[(Errno, &str)] = &[$((Errno::$constant, $name),)*];
    };
}

errnos! {
    PERM = "EPERM",
    NOENT = "ENOENT",
    INTR = "EINTR",
    IO = "EIO",
    NXIO = "ENXIO",
    BADF = "EBADF",
    AGAIN = "EAGAIN",
    NOMEM = "ENOMEM",
    ACCESS = "EACCES",
    BUSY = "EBUSY",
    EXIST = "EEXIST",
    XDEV = "EXDEV",
    NODEV = "ENODEV",
    NOTDIR = "ENOTDIR",
    ISDIR = "EISDIR",
    INVAL = "EINVAL",
    NFILE = "ENFILE",
    MFILE = "EMFILE",
    TXTBSY = "ETXTBSY",
    FBIG = "EFBIG",
    NOSPC = "ENOSPC",
    ROFS = "EROFS",
    MLINK = "EMLINK",
    PIPE = "EPIPE",
    NAMETOOLONG = "ENAMETOOLONG",
    NOSYS = "ENOSYS",
    NOTEMPTY = "ENOTEMPTY",
    LOOP = "ELOOP",
    OVERFLOW = "EOVERFLOW",
    ILSEQ = "EILSEQ",
    NOTSUP = "ENOTSUP",
    TIMEDOUT = "ETIMEDOUT",
    STALE = "ESTALE",
    DQUOT = "EDQUOT",
    NOLCK = "ENOLCK",
    DEADLK = "EDEADLK",
}

/// Every name.
#[cfg(test)]
pub(super) fn all() -> impl Iterator<Item = &'static str> {
    NAMES.iter().map(|(_, name)| *name)
}

/// What the operating system said, also where a library has wrapped it.
pub(super) fn of_system(error: &io::Error) -> Option<&io::Error> {
    let mut at: &(dyn std::error::Error + 'static) = error;
    loop {
        match at.downcast_ref::<io::Error>() {
            Some(error) if error.raw_os_error().is_some() => return Some(error),
            // The source of an error of one's own making skips what it was made of.
            Some(error) => at = error.get_ref()?,
            None => at = at.source()?,
        }
    }
}

/// The error's stable name, as in `EACCES`; `errno_<number>` for one without a name here, and the kind in snake
/// case for an error that did not come from the operating system.
pub(crate) fn errno_name(error: &io::Error) -> String {
    match of_system(error).and_then(Errno::from_io_error) {
        Some(errno) => NAMES
            .iter()
            .find(|(known, _)| *known == errno)
            .map_or_else(|| format!("errno_{}", errno.raw_os_error()), |(_, name)| (*name).to_owned()),
        None => snake_case(&format!("{:?}", error.kind())),
    }
}

fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(c.to_ascii_lowercase());
    }
    snake
}
