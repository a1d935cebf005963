//! Every file below a folder, names included.

use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::Result;
use rustix::fs::{SeekFrom, seek};

use crate::find::{Find, Finds, Pieces, Place};
use crate::search::Search;

const PIECE_BYTES: usize = 1 << 20;

/// Looks through every file below `folder`.
///
/// # Errors  A folder cannot be read.
pub fn below(search: &Search, folder: &Path) -> Result<Vec<Find>> {
    let mut finds = Finds::new(search, Place::Files);
    walk(&mut finds, folder)?;
    Ok(finds.all)
}

/// Looks through one file, as what was found at `place`.
///
/// # Errors  It cannot be read.
pub fn one(search: &Search, path: &Path, place: Place) -> Result<Vec<Find>> {
    let mut finds = Finds::new(search, place);
    through(&mut finds, &File::open(path)?, &path.display().to_string())?;
    Ok(finds.all)
}

fn walk(finds: &mut Finds<'_>, folder: &Path) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let at = path.display().to_string();
        finds.look(at.as_bytes(), &at);
        let about = match fs::symlink_metadata(&path) {
            Ok(about) => about,
            // A node that runs removes files meanwhile.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        if about.is_dir() {
            walk(finds, &path)?;
        } else if about.is_file() {
            match File::open(&path) {
                Ok(file) => through(finds, &file, &at)?,
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
    Ok(())
}

fn through(finds: &mut Finds<'_>, file: &File, at: &str) -> Result<()> {
    let mut room = vec![0; PIECE_BYTES];
    let mut place = 0;
    // Holes are passed over: they hold nothing.
    while let Ok(start) = seek(file, SeekFrom::Data(place)) {
        let end = seek(file, SeekFrom::Hole(start))?;
        let mut pieces = Pieces::default();
        place = start;
        while place < end {
            let wanted = room.len().min((end - place) as usize);
            let part = room.get_mut(..wanted).unwrap_or_default();
            let length @ 1.. = file.read_at(part, place)? else { return Ok(()) };
            finds.look_on(&mut pieces, part.get(..length).unwrap_or_default(), at, place);
            place += length as u64;
        }
    }
    Ok(())
}
