//! A value is a file.

use std::fs::{self, DirBuilder};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use crate::bindings::exports::wasi::keyvalue::store::Error;

/// The directory, as the guest sees it.
const ROOT: &str = "/var/lib/registry/keyvalue";

const LONGEST_KEY: usize = 255;
const LARGEST_VALUE: usize = 1_000_000;

/// A lock that is so old was left by a server that was killed.
const STALE: Duration = Duration::from_secs(3);

type Result<T> = core::result::Result<T, Error>;

/// Makes the directories.
pub(crate) fn open() -> Result<()> {
    for directory in ["values", "locks", "temporary"] {
        fs::create_dir_all(Path::new(ROOT).join(directory)).map_err(failed)?;
    }
    Ok(())
}

pub(crate) fn get(key: &str) -> Result<Option<Vec<u8>>> {
    match fs::read(path("values", key)?) {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed(error)),
    }
}

/// Stores a value as one sees it whole or not at all. Whoever sets holds the lock, so that there is
/// one temporary file of a key.
pub(crate) fn set(key: &str, value: &[u8]) -> Result<()> {
    let _lock = Lock::take(key)?;
    set_locked(key, value)
}

pub(crate) fn delete(key: &str) -> Result<()> {
    let _lock = Lock::take(key)?;
    match fs::remove_file(path("values", key)?) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(failed(error)),
        _ => Ok(()),
    }
}

pub(crate) fn keys() -> Result<Vec<String>> {
    let entries = fs::read_dir(Path::new(ROOT).join("values")).map_err(failed)?;
    let name = |entry: std::io::Result<fs::DirEntry>| entry.map(|entry| entry.file_name());
    let names = entries.map(name).collect::<std::io::Result<Vec<_>>>().map_err(failed)?;
    Ok(names.into_iter().map(|name| name.to_string_lossy().replace('!', "/")).collect())
}

pub(crate) fn increment(key: &str, delta: i64) -> Result<i64> {
    let _lock = Lock::take(key)?;
    let stored = get(key)?.map_or(Ok([0; 8]), |value| value.try_into());
    let number =
        i64::from_le_bytes(stored.map_err(|_| Error::Other(format!("{key} is no counter")))?) + delta;
    set_locked(key, &number.to_le_bytes())?;
    Ok(number)
}

/// Replaces a value, unless it was there and is another by now. Returns whether it did.
pub(crate) fn swap(key: &str, old: Option<&[u8]>, new: &[u8]) -> Result<bool> {
    let _lock = Lock::take(key)?;
    if old.is_some() && get(key)?.as_deref() != old {
        return Ok(false);
    }
    set_locked(key, new)?;
    Ok(true)
}

fn set_locked(key: &str, value: &[u8]) -> Result<()> {
    if value.len() > LARGEST_VALUE {
        return Err(Error::Other(format!("a value of {} bytes is too large", value.len())));
    }
    let temporary = path("temporary", key)?;
    fs::write(&temporary, value).map_err(failed)?;
    fs::rename(&temporary, path("values", key)?).map_err(failed)
}

/// A lock on a key. Dropping it lets go.
struct Lock(PathBuf);

impl Lock {
    fn take(key: &str) -> Result<Self> {
        let path = path("locks", key)?;
        loop {
            match DirBuilder::new().create(&path) {
                Ok(()) => return Ok(Self(path)),
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                Err(error) => return Err(failed(error)),
            }
            let modified = fs::metadata(&path).and_then(|stat| stat.modified());
            let age = modified.ok().and_then(|modified| SystemTime::now().duration_since(modified).ok());
            if age.is_some_and(|age| age > STALE) {
                // Another may have removed it first.
                let _ = fs::remove_dir(&path);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

fn path(directory: &str, key: &str) -> Result<PathBuf> {
    if key.len() > LONGEST_KEY {
        return Err(Error::Other(format!("a key of {} bytes is too long", key.len())));
    }
    Ok(Path::new(ROOT).join(directory).join(key.replace('/', "!")))
}

fn failed(error: std::io::Error) -> Error {
    Error::Other(error.to_string())
}
