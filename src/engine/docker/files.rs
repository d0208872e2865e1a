//! Files of a container as the archive API carries them: one tar each way.

use std::io::Read;

use crate::engine::Fault;

/// A tar that holds `content` at `path` (relative), with an entry for each folder above it.
///
/// # Errors
/// A path that does not fit a tar header.
pub(super) fn pack(path: &str, content: &[u8], mode: u32) -> std::io::Result<Vec<u8>> {
    let mut builder = tar::Builder::new(Vec::new());
    for (at, _) in path.match_indices('/') {
        let mut header = tar::Header::new_ustar();
        header.set_entry_type(tar::EntryType::Directory);
        header.set_mode(0o1777);
        header.set_size(0);
        builder.append_data(&mut header, &path[..=at], std::io::empty())?;
    }
    let mut header = tar::Header::new_ustar();
    header.set_mode(mode);
    header.set_size(content.len() as u64);
    builder.append_data(&mut header, path, content)?;
    builder.into_inner()
}

/// Whether the first block of a tar is enough to know that no regular file follows; a folder sends its whole tree.
pub(super) fn is_not_a_file(start: &[u8]) -> bool {
    const TYPE: usize = 156;
    start.get(TYPE).is_some_and(|kind| !matches!(kind, b'0' | b'\0' | b'x' | b'g' | b'L' | b'K' | b'7'))
}

/// The content of the first regular file of a tar.
pub(super) fn unpack(tar: &[u8], limit: u64) -> Result<Vec<u8>, Fault> {
    let broken = |error: std::io::Error| Fault::new(format!("the engine sent a broken archive: {error}"));
    let mut archive = tar::Archive::new(tar);
    let mut entries = archive.entries().map_err(broken)?;
    let Some(entry) = entries.next() else { return Err(Fault::new("the engine sent an empty archive")) };
    let entry = entry.map_err(broken)?;
    if !entry.header().entry_type().is_file() {
        return Err(Fault::new("it is not a regular file"));
    }
    if entry.size() > limit {
        return Err(Fault::new(format!("it has {} bytes, more than the limit of {limit}", entry.size())));
    }
    let (size, mut content) = (entry.size(), Vec::new());
    entry.take(size).read_to_end(&mut content).map_err(broken)?;
    if content.len() as u64 != size {
        return Err(Fault::new("the engine's archive ended early"));
    }
    Ok(content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_packed_file_unpacks_and_brings_its_folders() {
        let tar = pack(".x/out", b"a=1", 0o666).unwrap();
        let mut archive = tar::Archive::new(tar.as_slice());
        let names: Vec<_> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, [".x/", ".x/out"]);
        assert_eq!(unpack(&pack("out", b"a=1", 0o666).unwrap(), 10).unwrap(), b"a=1");
    }

    #[test]
    fn folders_too_large_files_and_cut_archives_are_told_apart() {
        let folder = pack(".x/out", b"", 0o666).unwrap();
        assert!(is_not_a_file(&folder));
        assert_eq!(unpack(&folder, 10).unwrap_err().message, "it is not a regular file");
        let file = pack("out", b"abcdef", 0o666).unwrap();
        assert!(!is_not_a_file(&file));
        assert_eq!(unpack(&file, 5).unwrap_err().message, "it has 6 bytes, more than the limit of 5");
        assert_eq!(unpack(&file[..514], 10).unwrap_err().message, "the engine's archive ended early");
    }
}
