//! The files that variables name.

use wasi::filesystem::preopens::get_directories;
use wasi::filesystem::types::{DescriptorFlags, ErrorCode, OpenFlags, PathFlags};

/// The longest file that is read, in bytes: more than any list of users or rules.
const LENGTH_MAX: u64 = 1 << 20;

/// Reads a text file from the directories that the host provides. The standard library's function would take 12 KB
/// more.
pub(crate) fn read(path: &str) -> Result<String, String> {
    let inside = |directory: &str| {
        let rest = path.strip_prefix(directory.trim_end_matches('/'))?;
        rest.strip_prefix('/').map(str::to_owned)
    };
    let given = get_directories();
    let found = given.iter().filter_map(|(directory, name)| Some((directory, inside(name)?)));
    let (directory, rest) = found
        .min_by_key(|(_, rest)| rest.len())
        .ok_or("the host gives the component no directory that contains it")?;
    let named = |code: ErrorCode| code.name().to_owned();
    let file = directory.open_at(PathFlags::SYMLINK_FOLLOW, &rest, OpenFlags::empty(), DescriptorFlags::READ);
    let file = file.map_err(named)?;
    let mut bytes = Vec::new();
    loop {
        let (more, ends) = file.read(LENGTH_MAX, bytes.len() as u64).map_err(named)?;
        bytes.extend_from_slice(&more);
        if bytes.len() as u64 > LENGTH_MAX {
            return Err("it is longer than 1 MiB".to_owned());
        }
        if ends || more.is_empty() {
            break;
        }
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8".to_owned())
}
